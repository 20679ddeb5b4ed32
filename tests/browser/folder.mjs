// The mock's folder: days of recordings, what a person said of them, gaps, and one recording that grows.
import { Profile } from "../../webui/profile.js";
import { sections } from "../../webui/detect.js";
import { RATE, calls, columnEdges, levels, profile, spectrum } from "./scene.mjs";

export const OFFSET_S = 7200;
export const DEFAULTS = { detector: "level", margin_db: 12, min_gap_s: 2, min_length_s: 0.2, pre_roll_s: 2, post_roll_s: 1 };
const DAY_MS = 86400e3;
const iso = (ms) => new Date(ms).toISOString().replace("Z", "000Z");
const local = (ms) => new Date(ms + OFFSET_S * 1000).toISOString();

export class Folder {
	/** full: days of 24 hours of sound; extra: days with two short files; now: ms. */
	constructor({ full = 3, extra = 60, now = Date.now() } = {}) {
		this.files = new Map();
		this.profiles = new Map();
		this.gaps = [];
		this.midnight = Math.floor((now + OFFSET_S * 1000) / DAY_MS) * DAY_MS - OFFSET_S * 1000;
		for (let back = full - 1; back >= 0; back--) this.#fullDay(this.midnight - back * DAY_MS, now);
		for (let back = full; back < full + extra; back++) {
			if (back % 9 === 4) continue; // a night without a recording
			for (const hour of [5, 21]) this.add("mic", this.midnight - back * DAY_MS + hour * 3600e3, 60);
		}
	}

	#fullDay(midnight, now) {
		const isToday = midnight === this.midnight;
		const hours = isToday ? Math.max(1, Math.floor((now - midnight) / 3600e3)) : 24;
		for (let hour = 0; hour < hours; hour++) {
			const late = hour === 14 ? 420 : 0; // a gap of seven minutes before the 14 o'clock recording
			const start = midnight + hour * 3600e3 + late * 1000;
			const file = this.add("mic", start, 3600 - late);
			if (late) {
				const gap = {
					source: "mic",
					start: iso(start - late * 1000),
					end: iso(start),
					frames_lost: late * RATE,
					reason: "unplugged",
				};
				this.gaps.push({ ...gap, date: file.date });
			}
		}
		if (!isToday) this.add("radio", midnight + 12 * 3600e3, 600, "radio/");
		if (isToday) this.open("mic", midnight + hours * 3600e3, Math.min((now - midnight) / 1000 - hours * 3600, 600));
	}

	add(source, start, seconds, folder = "", state = "analysed") {
		const stamp = local(start);
		const base = `${folder}${stamp.slice(0, 10).replaceAll("-", "")}_${stamp.slice(11, 19).replaceAll(":", "")}`;
		const name = source === "mic" ? `${base}.wav` : `${base}_${source}.wav`;
		const file = {
			name,
			source,
			startMs: start,
			seconds: Math.max(seconds, 1),
			date: stamp.slice(0, 10),
			state,
			reviewed: false,
			locked: false,
			note: "",
			revision: 0,
		};
		this.files.set(name, file);
		return file;
	}

	open(source, start, seconds) {
		return this.add(source, start, seconds, "", "open");
	}

	hour(file) {
		return Number(local(file.startMs).slice(11, 13)) + Number(local(file.startMs).slice(14, 16)) / 60;
	}

	profile(file) {
		if (!this.profiles.has(file.name)) this.profiles.set(file.name, profile(file.name, this.hour(file), file.seconds));
		return this.profiles.get(file.name);
	}

	sections(file, detection = DEFAULTS) {
		if (file.state !== "analysed") return [];
		const key = `${detection.detector} ${detection.margin_db} ${detection.min_gap_s} ${detection.min_length_s}`;
		file.found ??= new Map();
		if (!file.found.has(key)) {
			const bytes = detection.detector === "bands" ? this.profile(file) : null;
			const profile = bytes
				? new Profile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
				: { levels: (file.levels ??= levels(file.name, this.hour(file), file.seconds)), windows: Math.round(file.seconds * 10) };
			file.found.set(key, sections(profile, detection));
		}
		return file.found.get(key);
	}

	row(file, detection) {
		const bytes = 44 + Math.round(file.seconds * RATE) * 2;
		return {
			name: file.name,
			source: file.source,
			start: iso(file.startMs),
			utc_offset_s: OFFSET_S,
			date: file.date,
			local: local(file.startMs).slice(11, 19),
			duration_s: file.seconds,
			frames: Math.round(file.seconds * RATE),
			rate_hz: RATE,
			channels: 1,
			bytes,
			state: file.state,
			reviewed: file.reviewed,
			locked: file.locked,
			note: file.note,
			sections: this.sections(file, detection),
			gaps: [],
			trouble: null,
			playable: true,
			version: `${file.name}-${file.revision}`,
			details: {
				end_reason: file.state === "open" ? null : "split",
				clock: "synced",
				recovered: false,
				quality: { peak: 0.31, dc: 0.0002, clipped_samples: 0, silent_windows: 0, level: -46.2 },
			},
		};
	}

	of(date) {
		return [...this.files.values()].filter((file) => file.date === date).sort((a, b) => a.startMs - b.startMs);
	}

	dayRow(date, detection) {
		const files = this.of(date),
			found = files.map((file) => this.sections(file, detection));
		const sum = (list) => list.reduce((a, b) => a + b, 0);
		const best = Math.max(...found.flat().map((s) => s.score_db), -1);
		return {
			date,
			files: files.length,
			duration_s: sum(files.map((f) => f.seconds)),
			bytes: sum(files.map((f) => 44 + Math.round(f.seconds * RATE) * 2)),
			sections: sum(found.map((s) => s.length)),
			to_review: sum(found.map((s, i) => (files[i].reviewed ? 0 : s.length))),
			gaps: this.gaps.filter((gap) => gap.date === date).length,
			best_db: best < 0 ? null : best,
		};
	}

	dates() {
		return [...new Set([...this.files.values()].map((file) => file.date))].sort().reverse();
	}

	day(date, detection) {
		const { files, gaps, ...row } = this.dayRow(date, detection);
		return {
			...row,
			files_count: files,
			gaps_count: gaps,
			files: this.of(date).map((file) => this.row(file, detection)),
			gaps: this.gaps.filter((gap) => gap.date === date).map(({ date: _, ...gap }) => gap),
		};
	}

	picture(date) {
		const out = Buffer.alloc(12 + 1440 * 128 + 4 * 129, 255);
		out.write("SPDP", 0);
		out.writeUInt16LE(1, 4);
		out.writeUInt16LE(128, 6);
		out.writeUInt32LE(1440, 8);
		columnEdges.forEach((edge, i) => out.writeFloatLE(edge, 12 + 1440 * 128 + 4 * i));
		for (const file of this.of(date)) {
			if (file.state === "open") continue;
			const found = calls(file.name, this.hour(file), file.seconds);
			const first = Math.floor(((file.startMs + OFFSET_S * 1000) % DAY_MS) / 60e3);
			const bed = Array.from({ length: 128 }, (_, b) =>
				spectrum([], this.hour(file), Math.sqrt(columnEdges[b] * columnEdges[b + 1]), file.seconds / 2),
			);
			for (let m = 0; m < Math.ceil(file.seconds / 60) && first + m < 1440; m++) {
				const call = found.find((c) => c.at >= m * 60 && c.at < m * 60 + 60);
				for (let b = 0; b < 128; b++) {
					const f = Math.sqrt(columnEdges[b] * columnEdges[b + 1]);
					const grain = Math.abs(Math.sin((first + m) * 12.9898 + b * 78.233) * 43758.5453) % 1;
					let db = bed[b] + 4 * grain;
					if (call && f > call.lo && f < call.hi) db += call.db * (0.8 + 0.2 * grain);
					out[12 + (first + m) * 128 + b] = Math.max(0, Math.min(254, Math.round((db + 127.5) * 2)));
				}
			}
		}
		return out;
	}

	/** On demand, linear frequency. */
	spectrogram(file, from, to, columns, bands) {
		const out = Buffer.alloc(16 + columns * bands);
		out.write("SPSG", 0);
		out.writeUInt16LE(1, 4);
		out.writeUInt16LE(bands, 6);
		out.writeUInt32LE(columns, 8);
		out.writeFloatLE(RATE / 2, 12);
		const found = calls(file.name, this.hour(file), file.seconds),
			hour = this.hour(file);
		for (let c = 0; c < columns; c++) {
			const t = from + ((c + 0.5) / columns) * (to - from);
			const near = found.filter((call) => t >= call.at && t < call.at + call.length);
			for (let b = 0; b < bands; b++) {
				const f = ((b + 0.5) / bands) * (RATE / 2);
				const grain = (Math.abs(Math.sin(c * 12.9898 + b * 78.233 + t) * 43758.5453) % 1) * 9 - 6;
				out[16 + c * bands + b] = Math.max(0, Math.min(254, Math.round((spectrum(near, hour, f, t) + grain + 127.5) * 2)));
			}
		}
		return out;
	}
}
