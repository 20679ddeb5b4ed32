// A source as it sounds now: meter, waterfall, bars, and its sound. Everything here is asked for when the view opens and let go when
// it closes, so that the recorder does nothing for nobody.
import { api, urls } from "./api.js";
import { Bars } from "./bars.js";
import { announce, el, iconButton, setText } from "./dom.js";
import { onLevels } from "./events.js";
import { clamp, hz } from "./format.js";
import { library, on } from "./library.js";
import { Listen } from "./listen.js";
import { keepButton } from "./marks.js";
import { NAMES } from "./palette.js";
import * as sound from "./sound.js";
import { get, on as onState, recall, remember, set } from "./store.js";
import { Waterfall } from "./waterfall.js";

const place = el("div.liveview", { hidden: true });
const AGAIN_MS = 2000;
let following = null;
let parts = null;
/** Of the last call to show: an answer that comes after another call is not for it. */
let turn = 0;

export function start() {
	onLevels((sources) => parts?.meter(sources.find(({ name }) => name === parts.source)));
	onState("live", () => get().view === "live" && show(true));
	on("status", () => get().view === "live" && !following && show(true));
	return place;
}

/** Opens the view for the source of the address, or lets go of everything. */
export async function show(wanted) {
	const mine = ++turn;
	following?.abort();
	following = null;
	parts?.listen.stop();
	parts = null;
	if (!wanted || !library.status) return;
	const { sources, devices } = await api.live().catch(() => ({ sources: library.status.sources, devices: [] }));
	if (mine !== turn) return;
	const others = devices.filter(({ in_use, device }) => !in_use || device === get().live);
	const idle = notRecorded(others);
	if (sources.length === 0)
		return place.replaceChildren(el("div.empty", el("h2", "Nothing to hear"), el("p", "Nothing is recorded here.")));
	const looked = others.find(({ device }) => device === get().live);
	const source = sources.find(({ name }) => name === get().live) ?? (looked ? { name: looked.device, idle: true } : sources[0]);
	following = new AbortController();
	parts = build(source, sources, idle);
	parts.bars.follow(urls.spectrum(source.name), following.signal);
	follow(parts, following.signal);
}

async function follow({ waterfall, note, source }, signal) {
	while (!signal.aborted) {
		try {
			await waterfall.follow(urls.waterfall(source), signal);
		} catch (error) {
			if (signal.aborted) return;
			setText(note, error instanceof TypeError ? "The recorder does not answer; trying again." : error.message);
		}
		await new Promise((ready) => setTimeout(ready, AGAIN_MS));
		if (!signal.aborted) setText(note, "");
	}
}

/** The machine's other devices, to be looked at, and what to write so that they are recorded. */
function notRecorded(devices) {
	if (devices.length === 0) return false;
	const look = (device, name) => el("button", { onclick: () => set({ live: device }) }, name || device);
	const row = ({ device, name }) => el("li", look(device, name), el("code", `[name] type = soundcard, device = ${device}`));
	return el("details.live-idle", el("summary", `Not recorded: ${devices.length}`), el("ul", ...devices.map(row)));
}

/** A station that is away tells no rate. */
function build({ name, rate_hz, idle: isIdle }, sources, idle) {
	const rate = rate_hz || 48000;
	const looked = el("output.looked"),
		note = el("p.dim.live-note", { role: "status" });
	const waterfall = new Waterfall((text) => setText(looked, text));
	const bars = new Bars((text) => setText(note, text));
	waterfall.set({ palette: recall("palette", NAMES[0]), ...recall("waterfall", {}), high_hz: 0 });
	const meter = bigMeter(name);
	const listening = listener(name, rate, note);
	const pause = iconButton("pause", "Stop the picture, and look back with a finger or the arrow keys", () => {
		waterfall.pause(!waterfall.paused);
		pause.setAttribute("aria-pressed", waterfall.paused);
	});
	const chosen = (source) => (source.name === name ? { "aria-current": "true" } : {});
	place.replaceChildren(
		el(
			"div.live-head",
			el("h2", name),
			(isIdle || sources.length > 1) &&
				el("div.live-sources", ...sources.map((s) => el("button", { onclick: () => set({ live: s.name }), ...chosen(s) }, s.name))),
			meter.node,
			looked,
		),
		waterfall.node,
		el("div.live-tools", pause, !isIdle && keepButton(name), ...pictureTools(waterfall, rate)),
		bars.node,
		listening.node,
		note,
		idle,
	);
	return { source: name, waterfall, bars, note, meter: meter.show, listen: listening.listen };
}

/** A slider with its value beside it: acts at once. */
function slider(label, range, show, act) {
	const value = el("output", show(range.value));
	const input = el("input", {
		type: "range",
		...range,
		"aria-label": label,
		oninput: () => {
			setText(value, show(Number(input.value)));
			act(Number(input.value));
		},
	});
	return el("label.slider", el("span", label), input, value);
}

function pictureTools(waterfall, rate) {
	const keep = (patch) => {
		waterfall.set(patch);
		const { dark, bright } = waterfall.settings;
		remember("waterfall", { dark, bright });
	};
	const { dark, bright, palette } = waterfall.settings;
	const decibels = (db) => `${db}`.replace("-", "−") + " dB";
	const choose = el(
		"select",
		{ "aria-label": "Colours", onchange: () => (remember("palette", choose.value), waterfall.set({ palette: choose.value })) },
		...NAMES.map((each) => el("option", { value: each, selected: each === palette }, each)),
	);
	// Octaves below half of the rate.
	const range = { min: 0, max: 6, step: 1, value: 0 };
	return [
		slider("up to", range, (n) => hz(rate / 2 / 2 ** n), (n) => waterfall.set({ high_hz: rate / 2 / 2 ** n })),
		slider("dark", { min: -127, max: -40, step: 1, value: dark }, decibels, (db) => keep({ dark: db, bright: Math.max(waterfall.settings.bright, db + 5) })),
		slider("bright", { min: -90, max: 0, step: 1, value: bright }, decibels, (db) => keep({ bright: Math.max(db, waterfall.settings.dark + 5) })),
		choose,
	];
}

const LOWEST = -70;
const share = (db) => clamp((db - LOWEST) / -LOWEST, 0, 1);

function bigMeter(name) {
	const fill = el("span.fill"),
		peak = el("span.peak"),
		figures = el("output.meter-figures");
	const range = { "aria-valuemin": LOWEST, "aria-valuemax": 0, "aria-valuenow": LOWEST };
	const bar = el("span.meter", { role: "meter", "aria-label": `Level of ${name}`, ...range }, fill, peak);
	let hold = LOWEST,
		since = 0;
	const show = (level) => {
		if (!level || level.level_db == null) return;
		const now = performance.now();
		if (level.peak_db >= hold || now - since > 1500) [hold, since] = [level.peak_db, now];
		fill.style.transform = `scaleX(${share(level.level_db)})`;
		peak.style.transform = `translateX(${share(hold) * 100}%)`;
		bar.classList.toggle("clipped", level.clipped);
		bar.setAttribute("aria-valuenow", Math.round(level.level_db));
		const text = (db) => db.toFixed(1).replace("-", "−");
		setText(figures, `${text(level.level_db)} dB, peak ${text(hold)}${level.clipped ? ", clipped" : ""}`);
	};
	return { node: el("div.big-meter", bar, figures), show };
}

function listener(name, rate, note) {
	const latency = el("output.latency");
	const listen = new Listen(({ state, latency: seconds, holes }) => {
		button.setAttribute("aria-pressed", state !== "off");
		setText(button, state === "off" ? "Listen" : "Stop listening");
		const late = seconds == null ? "" : `about ${Math.round(seconds * 20) * 50} ms behind${holes ? `, ${holes} holes` : ""}`;
		setText(latency, state === "wait" ? "begins…" : late);
	});
	const toggle = () => {
		if (button.getAttribute("aria-pressed") === "true") return listen.stop();
		sound.hush();
		listen.start(urls.wav(name)).catch((error) => {
			setText(note, error.message);
			announce(error.message);
		});
	};
	const button = el("button.primary", { onclick: toggle, "aria-pressed": "false" }, "Listen");
	const tools = [
		slider("gain", { min: 0, max: 48, step: 3, value: 0 }, (db) => `+${db} dB`, (db) => listen.set({ gain_db: db })),
		slider("high-pass", { min: 0, max: 2000, step: 50, value: 0 }, (f) => (f ? hz(f) : "off"), (f) => listen.set({ highpass_hz: f })),
	];
	// Above what one can hear there is something to bring down.
	if (rate > 50000)
		tools.push(slider("bat", { min: 0, max: rate / 2000, step: 1, value: 0 }, (k) => (k ? hz(k * 1000) : "off"), (k) => listen.set({ bat_hz: k * 1000 })));
	return { listen, node: el("div.live-tools", button, latency, ...tools) };
}
