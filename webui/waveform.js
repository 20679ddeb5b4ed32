// The level of one recording: the loudest and the quietest window of each pixel, the floor below it, the margin over the floor, and
// the sections that reach over it. It shows why something was marked, and how another margin would mark it.
import { levelFloors, blocks } from "./detect.js";
import { colour, el, fitted, redrawn } from "./dom.js";
import { count } from "./format.js";
import { detection } from "./library.js";

export class Waveform {
	constructor(file, zoom, acts) {
		Object.assign(this, { file, zoom, profile: null, sections: [] });
		this.canvas = el("canvas", { role: "img", "aria-label": `Level of ${file.name}` });
		this.node = el("div.waveform", this.canvas);
		zoom.on(() => this.draw());
		redrawn(this.node, () => this.draw());
		this.node.addEventListener("click", (event) => {
			const box = this.canvas.getBoundingClientRect();
			acts.seek(zoom.at(event.clientX - box.left, box.width));
		});
	}

	show(profile) {
		this.profile = profile;
		this.floors = levelFloors(profile).map((floor) => floor / 100);
		this.starts = blocks(profile.windows);
		let high = -120,
			low = 0;
		for (const level of profile.levels) {
			if (level > high * 100) high = level / 100;
			if (level < low * 100) low = level / 100;
		}
		// Room for the margin line, and not a wall of noise: silence is cut off well below the floor.
		this.top = Math.min(0, Math.max(high, Math.max(...this.floors) + 15) + 2);
		this.bottom = Math.max(low, Math.min(...this.floors) - 12);
		this.draw();
	}

	mark(sections) {
		this.sections = sections;
		const { detector, margin_db } = detection();
		const line = this.profile && detector === "level" ? `, marked at ${margin_db} dB over the floor` : "";
		this.canvas.setAttribute(
			"aria-label",
			`Level of ${this.file.name} with its floor${line}: ${count(sections.length, "section")}`,
		);
		this.draw();
	}

	draw() {
		if (this.canvas.clientWidth === 0) return;
		const { context, width, height } = fitted(this.canvas);
		if (!this.profile) return;
		const y = (db) => height * (1 - (db - this.bottom) / (this.top - this.bottom));
		context.fillStyle = colour("section-wash");
		for (const section of this.sections) {
			const x = this.zoom.x(section.from_s, width);
			context.fillRect(x, 0, Math.max(2, this.zoom.x(section.to_s, width) - x), height);
		}
		this.#levels(context, width, height, y);
		this.#line(context, width, y, 0, colour("floor"), []);
		if (detection().detector === "level") this.#line(context, width, y, detection().margin_db, colour("section"), [5, 4]);
		this.#axis(context, width, height, y);
	}

	#levels(context, width, height, y) {
		const { levels, windows } = this.profile;
		context.fillStyle = colour("wave");
		for (let x = 0; x < width; x++) {
			const first = Math.floor(this.zoom.at(x, width) * 10),
				end = Math.max(first + 1, Math.floor(this.zoom.at(x + 1, width) * 10));
			let high = -12000,
				low = 0;
			for (let k = Math.max(first, 0); k < Math.min(end, windows); k++) {
				if (levels[k] > high) high = levels[k];
				if (levels[k] < low) low = levels[k];
			}
			if (high <= -12000) continue;
			const top = y(high / 100);
			context.globalAlpha = 0.45;
			context.fillRect(x, top, 1, height - top);
			context.globalAlpha = 1;
			context.fillRect(x, top, 1, Math.max(1.5, y(low / 100) - top));
		}
	}

	/** The floor of each block of half a minute, so many decibels higher. */
	#line(context, width, y, higher, stroke, dash) {
		context.strokeStyle = stroke;
		context.lineWidth = 1.5;
		context.setLineDash(dash);
		context.beginPath();
		this.floors.forEach((floor, at) => {
			const from = this.zoom.x(this.starts[at] / 10, width),
				to = this.zoom.x((this.starts[at + 1] ?? this.profile.windows) / 10, width);
			if (to < 0 || from > width) return;
			context.lineTo(from, y(floor + higher));
			context.lineTo(to, y(floor + higher));
		});
		context.stroke();
		context.setLineDash([]);
	}

	#axis(context, width, height, y) {
		context.font = `11px ${getComputedStyle(this.node).fontFamily}`;
		context.fillStyle = colour("dim");
		const step = this.top - this.bottom > 45 ? 20 : 10;
		for (let db = Math.ceil(this.bottom / step) * step; db <= this.top; db += step) {
			if (y(db) < 10 || y(db) > height - 3) continue;
			context.fillRect(0, Math.round(y(db)), 4, 1);
			context.fillText(`${db} dB`.replace("-", "−"), 7, y(db) + 4);
		}
	}
}
