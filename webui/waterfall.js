// A scrolling spectrogram: time runs from right to left, frequency upwards. The recorder sends columns of bytes; each is painted once,
// into a picture that is a ring of columns, and every frame of the screen shows a window of that ring: nothing is shifted or laid out.
import { el, fitted, redrawn } from "./dom.js";
import { clamp, hz } from "./format.js";
import { coloured } from "./palette.js";

/** Columns that are kept, a minute of them. */
const KEPT = 1536;
const HEAD_BYTES = 16;
/** CSS pixels of a column. */
const WIDE = 2;

export class Waterfall {
	/** looked(text): what is under the pointer. */
	constructor(looked) {
		this.looked = looked;
		this.canvas = el("canvas", { role: "img", tabindex: "0", "aria-label": "Waterfall: frequency over the last seconds" });
		this.axis = el("canvas.axis", { "aria-hidden": "true" });
		this.node = el("div.waterfall", this.canvas, this.axis);
		this.picture = document.createElement("canvas");
		this.settings = { palette: "ember", dark: -100, bright: -30, low_hz: 0, high_hz: 0 };
		this.clear();
		this.canvas.addEventListener("pointermove", (event) => this.#point(event));
		this.canvas.addEventListener("pointerdown", (event) => this.#grab(event));
		this.canvas.addEventListener("pointerleave", () => {
			this.pointer = null;
			looked("");
		});
		this.canvas.addEventListener("keydown", (event) => this.#step(event));
		redrawn(this.canvas, () => this.#drawAxis());
	}

	clear() {
		this.rows = 0;
		this.count = 0;
		this.shown = 0;
		this.back = 0;
		this.paused = false;
		this.held = [];
	}

	/** Follows a source until the signal comes; ends when the recorder ends it. */
	async follow(url, signal) {
		this.clear();
		const answer = await fetch(url, { signal });
		if (!answer.ok) throw new Error((await answer.json()).error);
		const reader = answer.body.getReader();
		const state = { over: false };
		requestAnimationFrame(() => this.#frame(state));
		let left = new Uint8Array();
		for (;;) {
			const { done, value } = await reader.read().catch((error) => {
				state.over = true;
				throw error;
			});
			state.over = done;
			if (done) return;
			const bytes = new Uint8Array(left.length + value.length);
			bytes.set(left);
			bytes.set(value, left.length);
			left = this.#take(bytes);
		}
	}

	/** {palette, dark, bright, low_hz, high_hz}: painted anew from the bytes. */
	set(patch) {
		Object.assign(this.settings, patch);
		this.colours = coloured(this.settings.palette, this.settings.dark, this.settings.bright);
		if (this.rows === 0) return;
		for (let column = Math.max(0, this.count - KEPT); column < this.count; column++) this.#paint(column);
		this.#drawAxis();
	}

	pause(wanted) {
		this.paused = wanted;
		this.pausedAt = this.count;
		this.back = 0;
		if (!wanted) this.held.splice(0).forEach((column) => this.#add(column));
	}

	#take(bytes) {
		let at = 0;
		if (this.rows === 0) {
			if (bytes.length < HEAD_BYTES) return bytes;
			const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
			this.rows = head.getUint16(6, true);
			this.rate = head.getUint32(8, true);
			this.perSecond = head.getUint32(12, true);
			this.bytes = new Uint8Array(KEPT * this.rows);
			[this.picture.width, this.picture.height] = [KEPT, this.rows];
			this.pixels = this.picture.getContext("2d").createImageData(1, this.rows);
			at = HEAD_BYTES;
			this.set({});
		}
		const size = 4 + this.rows;
		for (; at + size <= bytes.length; at += size) {
			const column = bytes.slice(at + 4, at + size);
			if (!this.paused) this.#add(column);
			// What stands is not painted over.
			else if (this.held.push(column) > KEPT) this.held.shift();
		}
		return bytes.subarray(at);
	}

	#add(column) {
		this.bytes.set(column, (this.count % KEPT) * this.rows);
		this.#paint(this.count);
		this.count += 1;
	}

	#paint(column) {
		const from = (column % KEPT) * this.rows,
			into = new Uint32Array(this.pixels.data.buffer);
		for (let row = 0; row < this.rows; row++) into[this.rows - 1 - row] = this.colours[this.bytes[from + row]];
		this.picture.getContext("2d").putImageData(this.pixels, column % KEPT, 0);
	}

	/** The rows that are seen: [first, number]. */
	#range() {
		const top = this.rate / 2,
			high = Math.min(this.settings.high_hz || top, top);
		const low = Math.min(this.settings.low_hz, high / 2);
		return [(low / top) * this.rows, ((high - low) / top) * this.rows];
	}

	/** The column at the right edge, with a part. */
	#edge() {
		return this.paused ? this.pausedAt - this.back : this.shown;
	}

	/** Until what is followed is over: whoever follows anew draws anew. */
	#frame(state) {
		if (state.over) return;
		if (this.rows > 0 && this.canvas.clientWidth > 0) {
			// Columns come in small heaps; the picture glides after them.
			const behind = this.count - this.shown;
			this.shown = behind > this.perSecond ? this.count : this.shown + behind * 0.12;
			this.#draw();
			this.#look();
		}
		requestAnimationFrame(() => this.#frame(state));
	}

	#draw() {
		const { context, width, height } = fitted(this.canvas);
		const edge = this.#edge(),
			oldest = Math.max(0, this.count - KEPT);
		const columns = Math.min(Math.ceil(width / WIDE) + 1, Math.floor(edge) - oldest);
		const [first, rows] = this.#range();
		const top = this.rows - first - rows;
		context.imageSmoothingEnabled = false;
		for (let done = 0; done < columns; ) {
			const column = Math.floor(edge) - columns + done,
				x = column % KEPT;
			const some = Math.min(columns - done, KEPT - x);
			context.drawImage(this.picture, x, top, some, rows, width - (edge - column) * WIDE, 0, some * WIDE, height);
			done += some;
		}
	}

	#drawAxis() {
		if (this.rows === 0 || this.axis.clientWidth === 0) return;
		const { context, width, height } = fitted(this.axis);
		const [first, rows] = this.#range();
		const low = (first / this.rows) * (this.rate / 2),
			high = ((first + rows) / this.rows) * (this.rate / 2);
		context.font = "12px system-ui";
		context.textAlign = "left";
		const mark = (text, x, y) => {
			context.lineWidth = 3;
			context.strokeStyle = "rgb(0 0 0 / .7)";
			context.strokeText(text, x, y);
			context.fillStyle = "#fff";
			context.fillText(text, x, y);
		};
		const step = nice((high - low) / 6);
		for (let at = Math.ceil(low / step) * step; at < high; at += step) {
			const y = height * (1 - (at - low) / (high - low));
			context.fillStyle = "rgb(255 255 255 / .25)";
			context.fillRect(0, y, 6, 1);
			if (y > 14 && y < height - 4) mark(hz(at), 10, y + 4);
		}
		context.textAlign = "right";
		const seconds = width > 700 ? 5 : 2;
		for (let ago = seconds; ago * this.perSecond * WIDE < width - 40; ago += seconds) {
			mark(`−${ago} s`, width - ago * this.perSecond * WIDE, height - 6);
		}
	}

	#point(event) {
		this.pointer = { x: event.offsetX, y: event.offsetY };
		if (!this.grabbed || !this.paused) return;
		// The picture stays full.
		const most = Math.max(0, Math.min(this.count, KEPT) - this.canvas.clientWidth / WIDE);
		this.back = clamp(this.grabbed.back + (event.clientX - this.grabbed.x) / WIDE, 0, most);
	}

	/** What is under the pointer; the picture moves under it. */
	#look() {
		if (!this.pointer) return;
		const { clientWidth, clientHeight } = this.canvas;
		const column = Math.floor(this.#edge() - (clientWidth - this.pointer.x) / WIDE);
		if (column < Math.max(0, this.count - KEPT) || column >= this.count) return this.looked("");
		const [first, rows] = this.#range();
		const row = Math.min(this.rows - 1, Math.max(0, Math.floor(first + rows * (1 - this.pointer.y / clientHeight))));
		const value = this.bytes[(column % KEPT) * this.rows + row];
		const frequency = ((row + 0.5) / this.rows) * (this.rate / 2);
		this.looked(`${hz(frequency)}  ${(-127.5 + value / 2).toFixed(1).replace("-", "−")} dB`);
	}

	#grab(event) {
		this.grabbed = { x: event.clientX, back: this.back };
		this.canvas.setPointerCapture(event.pointerId);
		this.canvas.addEventListener("pointerup", () => (this.grabbed = null), { once: true });
		this.#point(event);
	}

	/** Back and forth by the second, while it stands. */
	#step(event) {
		const by = { ArrowLeft: 1, ArrowRight: -1 }[event.key];
		if (!by || !this.paused) return;
		event.preventDefault();
		event.stopPropagation();
		this.back = clamp(this.back + by * this.perSecond, 0, Math.max(0, Math.min(this.count, KEPT) - this.perSecond));
	}
}

/** A round step of at least so many hertz. */
function nice(least) {
	const ten = 10 ** Math.floor(Math.log10(least));
	return [1, 2, 5, 10].find((n) => n * ten >= least) * ten;
}
