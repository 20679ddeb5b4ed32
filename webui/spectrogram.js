// The spectrogram of one recording: the profile's columns for the overview, spectra computed on demand once a minute or less is
// seen. Axes in seconds and hertz, sections as frames in time and, where it is known, frequency. A drag selects, a tap goes there,
// ctrl + wheel, two fingers or a double tap zoom, shift + drag moves.
import { api } from "./api.js";
import { after, colour, el, fitted, redrawn } from "./dom.js";
import { label } from "./daypicture.js";
import { clamp, clock, hz } from "./format.js";
import { gestures } from "./gestures.js";
import { bookmarksOf } from "./library.js";
import { ink } from "./palette.js";
import { recall } from "./store.js";
import { marks } from "./zoom.js";

/** Seconds that are computed on demand; more are drawn from the profile. */
const DETAIL_S = 60;
const MAGIC = 0x47535053; // "SPSG", little endian
const LOWEST_HZ = 50;

/** What was computed on demand: {cells: columns × bands, bands, columns, top: Hz of the upper edge}, linear in frequency. */
export function parseSpectrogram(buffer) {
	const view = new DataView(buffer);
	if (view.getUint32(0, true) !== MAGIC || view.getUint16(4, true) !== 1) throw new Error("This is not a spectrogram.");
	const bands = view.getUint16(6, true),
		columns = view.getUint32(8, true);
	return { cells: new Uint8Array(buffer, 16, bands * columns), bands, columns, top: view.getFloat32(12, true) };
}

export class Spectrogram {
	/** zoom: shared; acts: {seek(second), select({from, to, lo, hi} or null)}. */
	constructor(file, zoom, acts) {
		Object.assign(this, { file, zoom, acts, profile: null, detail: null, sections: [], labels: [], chosen: null });
		this.canvas = el("canvas", { role: "img", "aria-label": `Spectrogram of ${file.name}` });
		this.overlay = el("canvas.overlay", { "aria-hidden": "true" });
		this.box = el("div.selection-box", { hidden: true });
		this.readout = el("output.readout", { hidden: true });
		this.node = el("div.spectrogram", this.canvas, this.overlay, this.box, this.readout);
		this.fetchDetail = after(120, () => this.#fetchDetail());
		zoom.on(() => {
			this.draw();
			this.fetchDetail();
		});
		redrawn(this.node, () => this.draw());
		gestures(this);
		this.node.addEventListener("pointermove", (event) => this.#read(event));
		this.node.addEventListener("pointerleave", () => (this.readout.hidden = true));
	}

	show(profile) {
		this.profile = profile;
		this.draw();
		this.fetchDetail();
	}

	mark(sections) {
		this.sections = sections;
		this.#drawOver();
	}

	/** What other programs found: from_s, to_s, name, and where they tell it f_lo_hz, f_hi_hz. */
	markLabels(labels) {
		this.labels = labels;
		this.#drawOver();
	}

	get topHz() {
		return this.profile ? this.profile.columnEdges[this.profile.columnBands] : this.file.rate_hz / 2;
	}

	/** Hertz at a part of the height, 0 below and 1 above; and back. */
	hzAt(part) {
		return recall("scale", "log") === "log" ? LOWEST_HZ * (this.topHz / LOWEST_HZ) ** part : part * this.topHz;
	}

	partOf(f) {
		return recall("scale", "log") === "log"
			? Math.log(Math.max(f, LOWEST_HZ) / LOWEST_HZ) / Math.log(this.topHz / LOWEST_HZ)
			: f / this.topHz;
	}

	draw() {
		if (this.canvas.clientWidth === 0) return;
		fitted(this.canvas);
		const fits =
			this.detail &&
			this.detail.from <= this.zoom.from + 1e-3 &&
			this.detail.to >= this.zoom.to - 1e-3 &&
			this.zoom.width <= DETAIL_S;
		this.node.dataset.picture = fits ? "detail" : this.profile ? "overview" : "none";
		if (fits) this.#paint(this.detail, (f) => (f / this.detail.top) * this.detail.bands);
		else if (this.profile) {
			const { columns, columnBands: bands, columnEdges: edges, seconds } = this.profile;
			const scale = bands / Math.log(edges[bands] / edges[0]);
			this.#paint({ cells: columns, bands, columns: seconds, from: 0, to: seconds }, (f) => Math.log(f / edges[0]) * scale);
		}
		this.#drawOver();
	}

	/** Each pixel column is the loudest of what it covers: a click of a tenth of a second is still seen in an hour. */
	#paint({ cells, bands, columns, from, to }, bandOf) {
		const context = this.canvas.getContext("2d"),
			{ width, height } = this.canvas;
		const image = context.createImageData(width, height),
			pixels = new Uint32Array(image.data.buffer);
		const { table, base } = ink(cells, bands, recall("palette", "ember"), recall("even", false));
		const rows = Int32Array.from({ length: height }, (_, y) =>
			clamp(Math.floor(bandOf(this.hzAt(1 - (y + 0.5) / height))), 0, bands - 1),
		);
		const line = new Uint8Array(bands),
			perSecond = columns / (to - from);
		for (let x = 0; x < width; x++) {
			const first = Math.floor((this.zoom.at(x, width) - from) * perSecond);
			const end = Math.max(first + 1, Math.floor((this.zoom.at(x + 1, width) - from) * perSecond));
			if (first < 0 || first >= columns) continue;
			line.fill(0);
			for (let c = first; c < Math.min(end, columns); c++) {
				for (let b = 0, at = c * bands; b < bands; b++, at++) if (cells[at] > line[b]) line[b] = cells[at];
			}
			if (base) for (let b = 0; b < bands; b++) line[b] = clamp(line[b] - base[b], 0, 255);
			for (let y = 0, at = x; y < height; y++, at += width) pixels[at] = table[line[rows[y]]];
		}
		context.putImageData(image, 0, 0);
	}

	#drawOver() {
		if (this.overlay.clientWidth === 0) return;
		const { context, width, height } = fitted(this.overlay);
		context.font = `11px ${getComputedStyle(this.node).fontFamily}`;
		context.strokeStyle = colour("section-bright");
		context.lineWidth = 1.5;
		for (const section of this.sections) {
			const x = this.zoom.x(section.from_s, width),
				w = Math.max(2, this.zoom.x(section.to_s, width) - x);
			if (x + w < 0 || x > width) continue;
			if (section.f_lo_hz == null) {
				context.fillStyle = colour("section-bright");
				context.fillRect(x, 0, w, 4);
				if (w > 24) context.strokeRect(x, 0.75, w, height - 1.5);
			} else {
				const top = height * (1 - this.partOf(section.f_hi_hz)),
					end = height * (1 - this.partOf(section.f_lo_hz));
				context.strokeRect(x, top, w, Math.max(3, end - top));
			}
		}
		context.fillStyle = colour("accent");
		for (const mark of bookmarksOf(this.file)) {
			const x = this.zoom.x(mark.from_s, width);
			context.fillRect(x, height - 3, Math.max(3, this.zoom.x(mark.to_s, width) - x), 3);
		}
		this.#drawLabels(context, width, height);
		const { step, seconds } = marks(this.zoom.from, this.zoom.to, width);
		for (const second of seconds) {
			const x = this.zoom.x(second, width);
			context.fillStyle = "rgb(255 255 255 / 0.35)";
			context.fillRect(Math.round(x), height - 6, 1, 6);
			if (x < width - 30) label(context, clock(second, step < 1), x + 3, height - 5);
		}
		for (const f of this.#pitches()) {
			const y = height * (1 - this.partOf(f));
			if (y < 12 || y > height - 14) continue;
			context.fillStyle = "rgb(255 255 255 / 0.22)";
			context.fillRect(0, Math.round(y), 8, 1);
			label(context, hz(f), 11, y + 4);
		}
		this.#placeBox();
	}

	/** Bars below the sections', or frames; names where there is room for them. */
	#drawLabels(context, width, height) {
		// Where each of three lines of names ends.
		const lines = [0, 0, 0],
			tint = colour("label");
		for (const { from_s, to_s, name, f_lo_hz, f_hi_hz } of this.labels) {
			const x = this.zoom.x(from_s, width),
				w = Math.max(3, this.zoom.x(to_s, width) - x);
			if (x + w < 0 || x > width) continue;
			context.fillStyle = context.strokeStyle = tint;
			context.lineWidth = 1.5;
			if (f_lo_hz == null) context.fillRect(x, 6, w - 1, 3);
			else {
				const top = height * (1 - this.partOf(f_hi_hz));
				context.strokeRect(x, top, w, Math.max(3, height * (1 - this.partOf(f_lo_hz)) - top));
			}
			const line = w > 24 ? lines.findIndex((end) => end <= x) : -1;
			if (line < 0) continue;
			label(context, name, Math.max(x, 0) + 3, 22 + 14 * line);
			lines[line] = Math.max(x, 0) + context.measureText(name).width + 8;
		}
	}

	#pitches() {
		if (recall("scale", "log") === "log") return [100, 300, 1000, 3000, 10000, 30000, 100000].filter((f) => f < this.topHz);
		const step = [1000, 2000, 5000, 10000, 20000, 50000].find((s) => this.topHz / s <= 6) ?? 100000;
		return Array.from({ length: Math.floor(this.topHz / step) }, (_, i) => (i + 1) * step);
	}

	async #fetchDetail() {
		if (this.zoom.width > DETAIL_S || !this.profile || !this.node.isConnected || this.file.state === "open") return;
		const { from, to } = this.zoom;
		this.abort?.abort();
		this.abort = new AbortController();
		const columns = clamp(Math.round(this.canvas.width), 64, 2048);
		const slow = setTimeout(() => this.node.classList.add("shimmer"), 150);
		try {
			const buffer = await api.spectrogram(
				this.file.name,
				{ from: from.toFixed(3), to: to.toFixed(3), columns, bands: 256 },
				{ signal: this.abort.signal },
			);
			this.detail = { ...parseSpectrogram(buffer), from, to };
			this.draw();
		} catch {
			// The overview stays; it is right, only coarser.
		} finally {
			clearTimeout(slow);
			this.node.classList.remove("shimmer");
		}
	}

	/** {second, hz} under a pointer. */
	under(event) {
		const box = this.canvas.getBoundingClientRect();
		const x = clamp(event.clientX - box.left, 0, box.width),
			y = clamp(event.clientY - box.top, 0, box.height);
		return { second: this.zoom.at(x, box.width), hz: this.hzAt(1 - y / box.height), x, width: box.width };
	}

	/** chosen: {from, to, lo, hi} or null. */
	choose(chosen, isDone) {
		this.chosen = chosen;
		this.#placeBox();
		if (isDone) this.acts.select(chosen);
	}

	#placeBox() {
		const { chosen, box, zoom } = this;
		box.hidden = !chosen;
		if (!chosen) return;
		const { clientWidth: width } = this.canvas;
		box.style.left = `${Math.max(zoom.x(chosen.from, width), 0)}px`;
		box.style.width = `${Math.max(Math.min(zoom.x(chosen.to, width), width) - Math.max(zoom.x(chosen.from, width), 0), 0)}px`;
	}

	#read(event) {
		const { second, hz: f, x, width } = this.under(event);
		this.readout.textContent = `${clock(second, true)} · ${hz(f)}`;
		this.readout.hidden = event.pointerType === "touch";
		this.readout.style.left = `${clamp(x, 64, width - 64)}px`;
	}
}
