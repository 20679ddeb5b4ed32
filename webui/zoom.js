// The part of a recording that its pictures show, shared by spectrogram, waveform and their scroll bar. Seconds; nothing is drawn here.
import { clamp } from "./format.js";

/** No picture shows less. */
const LEAST = 0.5;

export class Zoom {
	#listeners = new Set();

	constructor(length) {
		this.length = Math.max(length, LEAST);
		this.from = 0;
		this.to = this.length;
	}

	on(act) {
		this.#listeners.add(act);
	}

	get width() {
		return this.to - this.from;
	}

	get isWhole() {
		return this.width >= this.length - 1e-6;
	}

	set(from, to) {
		const width = clamp(to - from, LEAST, this.length);
		const middle = (from + to) / 2;
		const start = clamp(middle - width / 2, 0, this.length - width);
		if (Math.abs(start - this.from) < 1e-9 && Math.abs(start + width - this.to) < 1e-9) return;
		[this.from, this.to] = [start, start + width];
		this.#listeners.forEach((act) => act());
	}

	/** factor < 1 shows less; the second `at` stays where it is. */
	by(factor, at = (this.from + this.to) / 2) {
		const width = clamp(this.width * factor, LEAST, this.length);
		const part = (at - this.from) / this.width;
		const from = clamp(at - part * width, 0, this.length - width);
		this.set(from, from + width);
	}

	pan(seconds) {
		const by = clamp(seconds, -this.from, this.length - this.to);
		this.set(this.from + by, this.to + by);
	}

	whole() {
		this.set(0, this.length);
	}

	/** Where a second lies in a box of a width, and back. */
	x(second, width) {
		return ((second - this.from) / this.width) * width;
	}

	at(x, width) {
		return this.from + (x / width) * this.width;
	}
}

/** Seconds at which a time axis of a width has its marks: round ones, with room for their text. */
export function marks(from, to, width) {
	const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
	const step = steps.find((s) => (width / (to - from)) * s >= 64) ?? 7200;
	const found = [];
	for (let n = Math.ceil(from / step - 1e-9); n * step <= to; n++) found.push(n * step);
	return { step, seconds: found };
}
