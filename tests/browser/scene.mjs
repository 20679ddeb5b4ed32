// A made-up wood for the mock server: what sounds at which hour, as spectra, levels, profiles and samples. Deterministic: the
// same name gives the same sound. Profiles are laid out as the recorder's, so that the page reads real bytes.
import { crc32 } from "./crc32.mjs";

export const RATE = 48000;
const DETECTION = 24,
	COLUMNS = 128;

function random(text) {
	let state = crc32(text);
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

const logEdges = (lo, hi, n) => Float32Array.from({ length: n + 1 }, (_, i) => lo * (hi / lo) ** (i / n));
export const columnEdges = logEdges(20, RATE / 2, COLUMNS);
const detectionEdges = logEdges(100, RATE * 0.45, DETECTION);

/** How busy an hour is: the dawn chorus most, dusk less. */
const busy = (hour) => Math.exp(-((hour - 5.2) ** 2) / 3) + 0.5 * Math.exp(-((hour - 20.8) ** 2) / 2) + 0.06;

/** Calls in a recording: {at, length, db over the background, lo, hi, chirps}. */
export function calls(name, startHour, seconds) {
	const dice = random(name);
	const found = [];
	for (let at = 4 + dice() * 60; at < seconds - 4;) {
		const hour = (startHour + at / 3600) % 24;
		const centre = dice() < 0.15 ? 500 + 700 * dice() : 2200 + 5200 * dice();
		found.push({
			at: Math.round(at * 10) / 10,
			length: Math.round((0.6 + dice() * 5) * 10) / 10,
			db: 15 + 17 * dice(),
			lo: centre * 0.78,
			hi: centre * 1.3,
			chirps: 1 + dice() * 4,
		});
		at += 20 + (dice() * 500) / (0.3 + 2.2 * busy(hour));
	}
	return found;
}

/** dBFS of the background at a frequency: pink, an insect band by day, traffic below. */
function background(f, hour) {
	const insects = 12 * Math.exp(-(Math.log2(f / 6200) ** 2) / 0.05) * Math.max(0, Math.sin(((hour - 8) / 12) * Math.PI));
	const traffic = 6 * Math.exp(-(Math.log2(f / 90) ** 2) / 1.5) * (0.6 + 0.4 * Math.sin(((hour - 6) / 24) * 2 * Math.PI));
	const chorus = 16 * Math.exp(-(Math.log2(f / 3800) ** 2) / 0.6) * busy(hour);
	return -66 - 2.6 * Math.log2(f / 100 + 1) + insects + traffic + chorus;
}

const callGain = (call, f, t) => {
	const into = (t - call.at) / call.length;
	const sweep = call.lo + (call.hi - call.lo) * (0.5 + 0.5 * Math.sin(into * call.chirps * 2 * Math.PI));
	const pulse = 0.5 + 0.5 * Math.cos((t - call.at) * call.chirps * 9);
	return call.db + 8 - 70 * Math.abs(Math.log2(f / sweep)) - 6 * pulse;
};

/** dBFS at (frequency, time) without its grain. */
export function spectrum(found, hour0, f, t) {
	let db = background(f, (hour0 + t / 3600) % 24);
	const base = db;
	for (const call of found) {
		if (t >= call.at && t < call.at + call.length) db = Math.max(db, base + Math.max(0, callGain(call, f, t)) + 4);
	}
	return db;
}

const cell = (db) => Math.max(0, Math.min(254, Math.round((db + 127.5) * 2)));

/** Calls by the window in which they sound, and how far over the background: window -> [call, dB]. */
function shapes(found, windows) {
	const active = new Map();
	for (const call of found) {
		for (let k = Math.floor(call.at * 10); k < (call.at + call.length) * 10 && k < windows; k++) {
			const into = k / 10 - call.at;
			active.set(k, [
				call,
				Math.max(0, call.db * Math.min(1, (into + 0.15) * 3) * (0.75 + 0.25 * Math.cos(into * call.chirps * 9))),
			]);
		}
	}
	return active;
}

/** Hundredths of dBFS, ten a second; all that the level detector looks at. */
export function levels(name, startHour, seconds) {
	const windows = Math.round(seconds * 10),
		dice = random(`${name}-level`);
	const active = shapes(calls(name, startHour, seconds), windows);
	return Int16Array.from({ length: windows }, (_, k) => {
		const hour = (startHour + k / 36000) % 24;
		const level = -47 + 3 * Math.sin(hour) + 5 * busy(hour) + (dice() + dice() + dice() - 1.5) * 1.6 + (active.get(k)?.[1] ?? 0);
		return Math.round(Math.max(-120, Math.min(0, level)) * 100);
	});
}

/** Bytes of a `.profile`. */
export function profile(name, startHour, seconds) {
	const found = calls(name, startHour, seconds);
	const dice = random(`${name}-grain`);
	const windows = Math.round(seconds * 10),
		wholes = Math.ceil(windows / 10);
	const at = 22 + 4 * (DETECTION + COLUMNS + 2);
	const out = Buffer.alloc(at + windows * (2 + DETECTION) + wholes * COLUMNS + 4);
	out.write("SPPF", 0, "latin1");
	out.writeUInt16LE(1, 4);
	out.writeUInt16LE(DETECTION, 6);
	out.writeUInt16LE(COLUMNS, 8);
	out.writeUInt32LE(RATE, 10);
	out.writeBigUInt64LE(BigInt(Math.round(seconds * RATE)), 14);
	[...detectionEdges, ...columnEdges].forEach((edge, i) => out.writeFloatLE(edge, 22 + 4 * i));
	const active = shapes(found, windows),
		heights = levels(name, startHour, seconds);
	const backs = Array.from({ length: DETECTION }, (_, b) => Math.sqrt(detectionEdges[b] * detectionEdges[b + 1]));
	let bed = null;
	for (let k = 0; k < windows; k++) {
		const [call, shape] = active.get(k) ?? [null, 0];
		if (k % 600 === 0) bed = backs.map((f) => background(f, (startHour + k / 36000) % 24));
		out.writeInt16LE(heights[k], at + 2 * k);
		for (let b = 0; b < DETECTION; b++) {
			const inBand = call && backs[b] > call.lo * 0.93 && backs[b] < call.hi * 1.07;
			out[at + 2 * windows + k * DETECTION + b] = cell(bed[b] + (dice() + dice() - 1) * 4 + (inBand ? shape : 0));
		}
	}
	const columns = at + (2 + DETECTION) * windows;
	const centres = Array.from({ length: COLUMNS }, (_, b) => Math.sqrt(columnEdges[b] * columnEdges[b + 1]));
	let wide = null;
	for (let s = 0; s < wholes; s++) {
		if (s % 60 === 0) wide = centres.map((f) => background(f, (startHour + s / 3600) % 24));
		const near = found.filter((call) => s + 1 > call.at && s < call.at + call.length);
		for (let b = 0; b < COLUMNS; b++) {
			let db = wide[b] + (dice() + dice() - 1) * 5;
			for (const call of near) {
				if (centres[b] > call.lo && centres[b] < call.hi) db = Math.max(db, wide[b] + call.db * (0.7 + 0.3 * dice()));
			}
			out[columns + s * COLUMNS + b] = cell(db);
		}
	}
	out.writeUInt32LE(crc32(out.subarray(0, out.length - 4)), out.length - 4);
	return out;
}

/** 16-bit samples [from, to) of a recording. */
export function samples(name, found, from, to) {
	const out = Buffer.alloc((to - from) * 2);
	const seed = crc32(name);
	const near = found.filter((call) => (call.at + call.length) * RATE > from && call.at * RATE < to);
	for (let i = from; i < to; i++) {
		let hash = Math.imul(i ^ seed, 0x9e3779b1);
		hash ^= hash >>> 15;
		let x = ((hash & 0xffff) / 65536 - 0.5) * 0.012;
		const t = i / RATE;
		for (const call of near) {
			if (t >= call.at && t < call.at + call.length) {
				x +=
					0.004 *
					10 ** (call.db / 20) *
					Math.sin(2 * Math.PI * (call.lo + call.hi) * 0.5 * t + 3 * Math.sin(t * call.chirps * 6));
			}
		}
		out.writeInt16LE(Math.round(Math.max(-1, Math.min(1, x)) * 32767), (i - from) * 2);
	}
	return out;
}

export function wavHeader(frames, rate = RATE) {
	const out = Buffer.alloc(44);
	out.write("RIFF", 0);
	out.writeUInt32LE(36 + frames * 2, 4);
	out.write("WAVEfmt ", 8);
	out.writeUInt32LE(16, 16);
	out.writeUInt16LE(1, 20);
	out.writeUInt16LE(1, 22);
	out.writeUInt32LE(rate, 24);
	out.writeUInt32LE(rate * 2, 28);
	out.writeUInt16LE(2, 32);
	out.writeUInt16LE(16, 34);
	out.write("data", 36);
	out.writeUInt32LE(frames * 2, 40);
	return out;
}
