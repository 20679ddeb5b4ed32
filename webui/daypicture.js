// The whole day as one spectrogram: a column a minute, low sounds below. Pauses are plain, gaps are hatched, and neither is
// ever joined; sections stand as ticks along the lower edge. The same columns give each recording its strip.
import { colour, el, fitted, redrawn } from "./dom.js";
import { clamp, hz, timeOfDay } from "./format.js";
import { startsAt } from "./library.js";
import { ink } from "./palette.js";
import { recall } from "./store.js";

const MAGIC = 0x50445053; // "SPDP", little endian

/** {bands, columns, cells: columns × bands, edges in Hz}; 255 is no recording. */
export function parsePicture(buffer) {
	const view = new DataView(buffer);
	if (view.getUint32(0, true) !== MAGIC || view.getUint16(4, true) !== 1) throw new Error("This is not the picture of a day.");
	const bands = view.getUint16(6, true),
		columns = view.getUint32(8, true),
		at = 12 + bands * columns;
	const edges = Float32Array.from({ length: bands + 1 }, (_, i) => view.getFloat32(at + 4 * i, true));
	return { bands, columns, cells: new Uint8Array(buffer, 12, bands * columns), edges };
}

/** Draws minutes [from, to) of a picture into a box of a canvas, each pixel the loudest of what it covers. */
export function drawMinutes(canvas, picture, from, to) {
	const context = canvas.getContext("2d"),
		{ width, height } = canvas;
	const image = context.createImageData(width, height),
		pixels = new Uint32Array(image.data.buffer);
	const { table, base } = picture.ink;
	for (let x = 0; x < width; x++) {
		const first = Math.floor(from + ((to - from) * x) / width);
		const end = Math.max(first + 1, Math.floor(from + ((to - from) * (x + 1)) / width));
		if (first < 0 || first >= picture.columns) continue;
		for (let y = 0; y < height; y++) {
			const band = Math.floor(((height - 1 - y) / height) * picture.bands);
			let loudest = -1;
			for (let c = first; c < Math.min(end, picture.columns); c++) {
				const v = picture.cells[c * picture.bands + band];
				if (v !== 255 && v > loudest) loudest = v;
			}
			if (loudest >= 0) pixels[y * width + x] = table[base ? clamp(loudest - base[band], 0, 255) : loudest];
		}
	}
	context.putImageData(image, 0, 0);
}

export class DayPicture {
	constructor(onPick) {
		this.canvas = el("canvas", { role: "img" });
		this.overlay = el("canvas.overlay", { "aria-hidden": "true" });
		this.readout = el("output.readout", { hidden: true });
		this.node = el("div.day-picture", this.canvas, this.overlay, this.readout);
		this.node.addEventListener("click", (event) => onPick(this.#timeAt(event)));
		this.node.addEventListener("pointermove", (event) => this.#read(event));
		this.node.addEventListener("pointerleave", () => (this.readout.hidden = true));
		redrawn(this.node, () => this.draw());
	}

	update(day, span, files) {
		Object.assign(this, { day, span, files });
		const label = `Spectrogram of the day from ${timeOfDay(span.from, false)} to ${timeOfDay(span.to, false)}: ${day.sections} sections, ${day.gaps.length} gaps`;
		this.canvas.setAttribute("aria-label", label);
		this.draw();
	}

	show(picture) {
		this.picture = picture;
		this.node.classList.toggle("without", picture === null);
		this.draw();
	}

	draw() {
		if (!this.span || this.canvas.clientWidth === 0) return;
		fitted(this.canvas);
		if (this.picture) {
			const { cells, bands } = this.picture;
			this.picture.ink = ink(cells, bands, recall("palette", "ember"), recall("even", false));
			drawMinutes(this.canvas, this.picture, this.span.from / 60, this.span.to / 60);
		}
		this.#drawOver();
	}

	#drawOver() {
		const { context, width, height } = fitted(this.overlay);
		const x = (second) => ((second - this.span.from) / (this.span.to - this.span.from)) * width;
		// Between files nothing was to be recorded: plain. What is missing is hatched, at least three pixels wide to be seen.
		const fill = (style, from, to, least) => {
			context.fillStyle = style;
			context.fillRect(x(from), 0, Math.max(least, x(to) - x(from)), height);
		};
		const [plain, lines] = [colour("unheard"), hatch(context)];
		for (const [from, to] of pauses(this.day.files, this.span)) if (x(to) - x(from) > 1) fill(plain, from, to, 1);
		for (const gap of this.day.gaps) for (const style of [plain, lines]) fill(style, ...gapSeconds(gap, this.day), 3);
		context.font = `11px ${getComputedStyle(this.node).fontFamily}`;
		for (const second of hours(this.span, width)) {
			context.fillStyle = "rgb(255 255 255 / 0.22)";
			context.fillRect(Math.round(x(second)), 0, 1, height);
			if (x(second) < width - 36) label(context, timeOfDay(second, false), x(second) + 4, 13);
		}
		if (this.picture) for (const f of [1000, 4000, 16000]) this.#frequency(context, f, height, width);
		context.fillStyle = colour("section-bright");
		for (const file of this.files) {
			for (const section of file.sections) {
				const at = x(startsAt(file) + section.from_s),
					w = Math.max(1.5, x(startsAt(file) + section.to_s) - at);
				const tall = 4 + Math.min(12, section.score_db / 2.5);
				context.fillRect(at, height - tall, w, tall);
			}
		}
	}

	#frequency(context, f, height, width) {
		const { edges, bands } = this.picture;
		if (f > edges[bands] * 0.9) return;
		const y = height * (1 - Math.log(f / edges[0]) / Math.log(edges[bands] / edges[0]));
		context.fillStyle = "rgb(255 255 255 / 0.16)";
		context.fillRect(0, Math.round(y), width, 1);
		if (y > 30) label(context, hz(f), 4, y - 3);
	}

	#timeAt(event) {
		const box = this.canvas.getBoundingClientRect();
		return this.span.from + ((event.clientX - box.left) / box.width) * (this.span.to - this.span.from);
	}

	#read(event) {
		if (!this.span) return;
		const box = this.canvas.getBoundingClientRect(),
			at = this.#timeAt(event);
		let text = timeOfDay(at, false);
		if (this.picture) {
			const part = 1 - (event.clientY - box.top) / box.height,
				{ edges, bands } = this.picture;
			const band = clamp(Math.floor(part * bands), 0, bands - 1),
				minute = Math.floor(at / 60);
			const v = this.picture.cells[minute * bands + band];
			text += v === undefined || v === 255 ? " · not recorded" : ` · ${hz(edges[band])} · ${Math.round(-127.5 + v / 2)} dB`;
		}
		this.readout.textContent = text;
		this.readout.hidden = false;
		this.readout.style.left = `${clamp(event.clientX - box.left, 70, box.width - 70)}px`;
	}
}

/** A light text with a dark rim: readable over any colour of a picture. */
export function label(context, text, x, y) {
	context.lineWidth = 3;
	context.lineJoin = "round";
	context.strokeStyle = "rgb(0 0 0 / 0.75)";
	context.strokeText(text, x, y);
	context.fillStyle = "#fff";
	context.fillText(text, x, y);
}

export function hatch(context) {
	const tile = el("canvas", { width: 8, height: 8 }),
		pen = tile.getContext("2d");
	pen.strokeStyle = colour("unheard-line");
	pen.lineWidth = 1.6;
	pen.beginPath();
	for (const at of [-8, 0, 8]) {
		pen.moveTo(at, 8);
		pen.lineTo(at + 8, 0);
	}
	pen.stroke();
	return context.createPattern(tile, "repeat");
}

/** Whole hours inside a span, as many as have room. */
function hours(span, width) {
	const step = [300, 600, 1800, 3600, 7200, 10800, 21600].find((s) => (width / (span.to - span.from)) * s >= 56) ?? 21600;
	const found = [];
	for (let at = Math.ceil(span.from / step) * step; at < span.to; at += step) if (at > span.from) found.push(at);
	return found;
}

/** Parts of the span that no file covers. */
export function pauses(files, span) {
	const found = [];
	let until = span.from;
	for (const file of files) {
		if (startsAt(file) > until + 1) found.push([until, startsAt(file)]);
		until = Math.max(until, startsAt(file) + (file.state === "open" ? 86400 : file.duration_s));
	}
	if (until < span.to) found.push([until, span.to]);
	return found;
}

/** [from, to) of a gap in seconds since local midnight of its day. */
export function gapSeconds(gap, day) {
	const offset = day.files[0]?.utc_offset_s ?? 0,
		midnight = Date.parse(`${day.date}T00:00:00Z`) / 1000;
	return [gap.start, gap.end].map((at) => Date.parse(at) / 1000 + offset - midnight);
}
