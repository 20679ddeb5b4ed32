// Spectrum bars, as the recorder sends them: numbers of 0 to 1,500, thirty times a second at most. One path a frame of the screen, and
// only when there is something new.
import { colour, el, fitted } from "./dom.js";

const CEILING = 1500;
/** Of a peak, a frame of the screen. */
const FALL = 12;

export class Bars {
	/** told(text): what the recorder says of the source. */
	constructor(told) {
		this.told = told;
		this.node = el("canvas.bars", { role: "img", "aria-label": "Spectrum: thirty-two bands from low to high" });
	}

	follow(url, signal) {
		let frame = null,
			peaks = [];
		const source = new EventSource(url);
		source.addEventListener("message", (event) => (frame = JSON.parse(event.data)));
		source.addEventListener("source", (event) => this.told(JSON.parse(event.data).note ?? ""));
		signal.addEventListener("abort", () => source.close());
		const draw = () => {
			if (signal.aborted) return;
			if (frame && this.node.clientWidth > 0) peaks = this.#draw(frame.frequencies, peaks);
			requestAnimationFrame(draw);
		};
		requestAnimationFrame(draw);
	}

	#draw(bands, before) {
		const { context, width, height } = fitted(this.node);
		const peaks = bands.map((band, n) => Math.max(band, (before[n] ?? 0) - FALL));
		const wide = width / bands.length;
		const y = (value) => height * (1 - value / CEILING);
		context.fillStyle = colour("accent");
		context.beginPath();
		bands.forEach((band, n) => context.rect(n * wide + 1, y(band), wide - 2, height - y(band)));
		context.fill();
		context.fillStyle = colour("text");
		context.beginPath();
		peaks.forEach((peak, n) => context.rect(n * wide + 1, y(peak) - 1, wide - 2, 2));
		context.fill();
		return peaks;
	}
}
