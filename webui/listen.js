// Hears a source as it sounds: a WAV without end is fetched, and its pieces are scheduled one behind the other. It works on a plain http
// page and on every browser with Web Audio. How much lies ahead adapts to the network: more after each hole, slowly less again;
// and since no two clocks run alike, pieces are played a little faster or slower to keep it there.
import { clamp } from "./format.js";
import { Tuner } from "./tuner.js";

const LEAST = 0.06,
	MOST = 2;
/** Seconds of sound before the first piece is played. */
const FIRST = 0.12;
/** Of playing faster or slower, at most. */
const BEND = 0.01;

export class Listen {
	/** changed({state, latency}): "off", "wait" or "on"; seconds from microphone to ear as far as they can be known. */
	constructor(changed) {
		this.changed = changed;
		this.settings = { gain_db: 0, highpass_hz: 0, bat_hz: 0 };
	}

	set(patch) {
		Object.assign(this.settings, patch);
		if (!this.context) return;
		this.gain.gain.value = 10 ** (this.settings.gain_db / 20);
		this.highpass.frequency.value = this.settings.highpass_hz || 10;
		if (this.tuner) this.tuner.mixer_hz = this.settings.bat_hz;
	}

	stop() {
		this.abort?.abort();
		this.context?.close();
		this.context = this.tuner = null;
		this.changed({ state: "off" });
	}

	/** To be called by a tap: no browser sounds without one. */
	async start(url) {
		this.stop();
		const { signal } = (this.abort = new AbortController());
		this.changed({ state: "wait" });
		this.context = new AudioContext({ latencyHint: "interactive" });
		this.context.resume();
		this.highpass = new BiquadFilterNode(this.context, { type: "highpass", Q: 0.7 });
		this.gain = new GainNode(this.context);
		this.highpass.connect(this.gain).connect(this.context.destination);
		this.set({});
		Object.assign(this, { next: 0, ahead: FIRST, holes: 0 });
		try {
			await this.#follow(url, signal);
		} catch (error) {
			if (signal.aborted) return;
			this.stop();
			throw error;
		}
		// The recorder ended it: another format, or it ends itself.
		if (!signal.aborted) this.stop();
	}

	async #follow(url, signal) {
		const answer = await fetch(url, { signal });
		if (!answer.ok) throw new Error((await answer.json()).error);
		const reader = answer.body.getReader();
		let left = new Uint8Array();
		for (;;) {
			const { done, value } = await reader.read();
			if (done || signal.aborted) return;
			const bytes = new Uint8Array(left.length + value.length);
			bytes.set(left);
			bytes.set(value, left.length);
			left = this.#take(bytes);
		}
	}

	#take(bytes) {
		if (!this.tuner) {
			const head = parseWav(bytes);
			if (!head) return bytes;
			this.tuner = new Tuner(head.rate, head.channels, this.settings.bat_hz);
			bytes = bytes.subarray(head.bytes);
		}
		const frame = 2 * this.tuner.channels,
			whole = bytes.length - (bytes.length % frame);
		if (whole > 0) this.#play(this.tuner.take(new DataView(bytes.buffer, bytes.byteOffset, whole)));
		return bytes.subarray(whole);
	}

	/** planes: a Float32Array a channel. */
	#play(planes) {
		const { context } = this,
			length = planes[0].length;
		if (length === 0) return;
		const piece = context.createBuffer(planes.length, length, this.tuner.rate);
		planes.forEach((plane, n) => piece.copyToChannel(plane, n));
		const now = context.currentTime;
		if (this.next < now + 0.005) {
			// Nothing is left: wait for more than last time.
			if (this.next > 0) this.ahead = Math.min(this.ahead * 1.5, MOST);
			this.holes += this.next > 0;
			this.next = now + this.ahead;
		}
		const lies = this.next - now;
		this.ahead = Math.max(LEAST, this.ahead - 0.0005 * piece.duration);
		// Far too much lies ahead after a pause of the network: what is old is skipped.
		if (lies > this.ahead + 1) return;
		const bend = clamp((lies - this.ahead) * 0.05, -BEND, BEND);
		const source = new AudioBufferSourceNode(context, { buffer: piece, playbackRate: 1 + bend });
		source.connect(this.highpass);
		source.start(this.next);
		this.next += piece.duration / (1 + bend);
		const output = context.outputLatency || context.baseLatency || 0;
		// A read of the sound card is 20 ms long.
		this.changed({ state: "on", latency: lies + output + 0.02, holes: this.holes });
	}
}

/** {rate, channels, bytes: of the head} once it is all there. */
export function parseWav(bytes) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	let at = 12,
		found = null;
	while (at + 8 <= bytes.length) {
		const name = String.fromCharCode(...bytes.subarray(at, at + 4)),
			size = view.getUint32(at + 4, true);
		if (name === "data") return found && { ...found, bytes: at + 8 };
		if (name === "fmt " && at + 24 <= bytes.length) found = { channels: view.getUint16(at + 10, true), rate: view.getUint32(at + 12, true) };
		at += 8 + size;
	}
	return null;
}
