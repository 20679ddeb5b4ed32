// From samples as they were recorded to what a loudspeaker can play: at most two channels and 48,000 a second or a little more. Rates
// above that are averaged down; with a mixer, as a bat detector has one, what lies around its frequency is moved down to be heard.

/** Half of what is heard around the mixer's frequency, in Hz. */
const AROUND = 6000;

export class Tuner {
	constructor(rate, channels, mixer_hz) {
		Object.assign(this, { channels, mixer_hz, input: rate });
		this.by = Math.max(1, Math.floor(rate / 48000));
		this.rate = rate / this.by;
		this.planes = Math.min(channels, 2);
		// Of each plane, the state of three one-pole low-passes behind each other.
		this.low = Array.from({ length: this.planes }, () => [0, 0, 0]);
		this.phase = 0;
		this.turn = 0;
	}

	/** Whole frames of 16 bits; a Float32Array a plane. */
	take(view) {
		const frames = view.byteLength / (2 * this.channels);
		const out = Array.from({ length: this.planes }, () => new Float32Array(Math.floor((frames + this.turn) / this.by)));
		const step = (2 * Math.PI * this.mixer_hz) / this.input;
		// Where something is left out, what would fold into the rest is taken away first.
		const corner = this.mixer_hz ? AROUND : this.rate / 2.5;
		const share = this.by === 1 && !this.mixer_hz ? 1 : 1 - Math.exp((-2 * Math.PI * corner) / this.input);
		let at = 0;
		for (let i = 0; i < frames; i++) {
			const mix = this.mixer_hz ? 2 * Math.cos(this.phase) : 1;
			this.phase = (this.phase + step) % (2 * Math.PI);
			this.turn += 1;
			const isDue = this.turn === this.by;
			for (let plane = 0; plane < this.planes; plane++) {
				let value = (view.getInt16(2 * (i * this.channels + plane), true) / 32768) * mix;
				const poles = this.low[plane];
				for (let pole = 0; pole < 3; pole++) value = poles[pole] += (value - poles[pole]) * share;
				if (isDue) out[plane][at] = value;
			}
			if (isDue) {
				at += 1;
				this.turn = 0;
			}
		}
		return out;
	}
}
