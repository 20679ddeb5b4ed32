// What sounds: one thing at a time, through one gain and one high-pass. Every player claims its audio element here; who must not
// disturb a listener asks here. Native audio nodes only: they work on a plain http page, where worklets do not.

let current = null;
let context = null;
let output = null;
const graphs = new WeakMap();
const listeners = new Set();
const settings = { gain_db: 0, highpass_hz: 0 };

export const playing = () => current !== null && !current.paused && !current.ended;
export const onChange = (act) => listeners.add(act);

const tell = () => listeners.forEach((act) => act(playing()));

/** An audio element that pauses whatever else plays when it starts. */
export function claimed() {
	const audio = new Audio();
	audio.preload = "none";
	audio.addEventListener("play", () => {
		if (current && current !== audio) current.pause();
		current = audio;
		if (context || settings.gain_db || settings.highpass_hz) route(audio);
		tell();
	});
	for (const kind of ["pause", "ended", "emptied"]) audio.addEventListener(kind, () => current === audio && tell());
	return audio;
}

/** Puts the element behind the nodes. It cannot be taken out again, so nobody is routed before a setting asks for it. */
function route(audio) {
	context ??= new AudioContext();
	context.resume();
	if (!output) {
		const highpass = new BiquadFilterNode(context, { type: "highpass", frequency: 10, Q: 0.7 });
		const gain = new GainNode(context);
		highpass.connect(gain).connect(context.destination);
		output = { highpass, gain };
		apply();
	}
	if (graphs.has(audio)) return;
	graphs.set(audio, context.createMediaElementSource(audio));
	graphs.get(audio).connect(output.highpass);
}

function apply() {
	if (!output) return;
	output.gain.gain.value = 10 ** (settings.gain_db / 20);
	output.highpass.frequency.value = settings.highpass_hz || 10;
}

export function shape(patch) {
	Object.assign(settings, patch);
	if (current && (settings.gain_db || settings.highpass_hz)) route(current);
	apply();
}

/** Something else is to be heard. */
export const hush = () => current?.pause();

/** Plays; what the browser refuses (no gesture yet) is not an error. */
export const play = (audio) =>
	audio.play().catch((error) => {
		if (!["AbortError", "NotAllowedError"].includes(error.name)) throw error;
	});
export const toggle = (audio) => (audio.paused ? play(audio) : audio.pause());
