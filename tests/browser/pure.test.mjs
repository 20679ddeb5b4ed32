// The parts of the page that need no browser: numbers, addresses, and detection against the definition written out straight.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sections } from "../../webui/detect.js";
import { band, bytes, clock, endOfDay, parseClock, span, timeOfDay } from "../../webui/format.js";
import { Profile } from "../../webui/profile.js";
import { format, formatRange, parse, parseRange } from "../../webui/store.js";
import { Zoom, marks } from "../../webui/zoom.js";
import { levels, profile as profileBytes } from "./scene.mjs";

const table = (act, rows) => {
	for (const [input, expected] of rows) assert.deepEqual(act(input), expected, JSON.stringify(input));
};

test("times are written and read as m:ss and h:mm:ss", () => {
	table(clock, [
		[0, "0:00"],
		[59.99, "0:59"],
		[61, "1:01"],
		[3600, "1:00:00"],
		[36061.5, "10:01:01"],
		[NaN, "–:––"],
		[-1, "–:––"],
	]);
	table(
		(s) => clock(s, true),
		[
			[61.25, "1:01.3"],
			[59.96, "1:00.0"],
			[3599.99, "1:00:00.0"],
		],
	);
	table(parseClock, [
		["1:01", 61],
		["1:02:03", 3723],
		["75", 75],
		["90:00", 5400],
		["0:01.5", 1.5],
		["0:01,5", 1.5],
		[" 2:00 ", 120],
		["1:60", null],
		["1:60:00", null],
		["", null],
		["a", null],
		["1:2:3:4", null],
		["-1", null],
		["1:", null],
	]);
	for (let s = 0; s < 90000; s += 977) assert.equal(parseClock(clock(s)), s);
	table(timeOfDay, [
		[0, "00:00:00"],
		[86399, "23:59:59"],
		[90000, "01:00:00"],
	]);
	table(endOfDay, [
		[86400, "24:00"],
		[43200, "12:00"],
	]);
});

test("lengths, sizes and bands stay short", () => {
	table(span, [
		[12, "12 s"],
		[60, "1 min"],
		[250, "4 min 10 s"],
		[86280, "23 h 58 min"],
		[7200, "2 h"],
	]);
	table(bytes, [
		[0, "0 B"],
		[999, "999 B"],
		[1000, "1.0 kB"],
		[13.1e6, "13.1 MB"],
		[312e6, "312 MB"],
		[9.2e12, "9.2 TB"],
	]);
	table(
		([lo, hi]) => band(lo, hi),
		[
			[[3000, 8000], "3–8 kHz"],
			[[200, 800], "200–800 Hz"],
			[[40000, 60000], "40–60 kHz"],
			[[null, null], ""],
		],
	);
});

test("an address holds the whole state, and whatever is in one, a state comes out", () => {
	const link = "#/day/2026-05-22?q=owl&source=mic&margin=9&open=2026-05-22&open=2026-05-21&row=a/b.flac@1.5-9&row=c.wav";
	const state = parse(link);
	assert.equal(state.day, "2026-05-22");
	assert.deepEqual(
		[state.open, state.row],
		[
			["2026-05-22", "2026-05-21"],
			["a/b.flac@1.5-9", "c.wav"],
		],
	);
	assert.deepEqual(parse(format(state)), state, "there and back");
	for (const broken of ["", "#", "#/day/%E0%A4%A", "#/day/../../x", "#/calendar/13", "#/nothing?a=b&&=", "#?q=%"]) {
		assert.equal(typeof parse(format(parse(broken))).view, "string", broken);
	}
	assert.equal(parse("#/day/yesterday").day, "");
	assert.deepEqual(parseRange(formatRange("a@b/c.flac", 1.234, 5)), { name: "a@b/c.flac", from: 1.23, to: 5 });
	assert.deepEqual(parseRange("plain.wav"), { name: "plain.wav", from: null, to: null });
});

test("zooming keeps what is under the pointer, and never leaves the recording", () => {
	const zoom = new Zoom(3600);
	zoom.by(0.1, 900);
	assert.ok(Math.abs(zoom.at(zoom.x(900, 1000), 1000) - 900) < 1e-9);
	assert.equal(Math.round(zoom.x(900, 1000)), 250, "900 s stays at its quarter");
	for (const by of [-1e6, 1e6]) {
		zoom.pan(by);
		assert.ok(zoom.from >= 0 && zoom.to <= 3600);
	}
	for (let i = 0; i < 60; i++) zoom.by(0.5);
	assert.ok(Math.abs(zoom.width - 0.5) < 1e-9, "half a second is the least");
	for (let i = 0; i < 60; i++) zoom.by(2);
	assert.ok(zoom.isWhole);
	assert.deepEqual(marks(0, 3600, 700).step, 600);
	assert.ok(marks(10, 12, 1400).seconds.length > 10);
});

/** product.md, "Analysis, exactly", line by line; slow. */
function reference(profile, { detector, margin_db, min_gap_s, min_length_s }) {
	const n = profile.windows,
		starts = [];
	for (let at = 0; at < n; at += 300) starts.push(at);
	if (starts.length > 1 && n - starts.at(-1) < 150) starts.pop();
	const blockOf = (k) => starts.findLastIndex((start) => start <= k);
	const rows =
		detector === "level"
			? [[Array.from(profile.levels, (l) => l / 100), -90]]
			: Array.from({ length: profile.detectionBands }, (_, b) => [
					Array.from({ length: n }, (_, k) => -127.5 + profile.detection[k * profile.detectionBands + b] / 2),
					-90,
				]);
	const floors = rows.map(([row, least]) =>
		starts.map((start, i) => {
			const block = row.slice(start, starts[i + 1] ?? n).sort((a, b) => a - b);
			return Math.max(block[Math.ceil(block.length * 0.2) - 1], least);
		}),
	);
	const found = [];
	for (let k = 0; k < n; k++) {
		const over = rows.map(([row], b) => Math.round((row[k] - floors[b][blockOf(k)]) * 100));
		const loud = over.map((by, b) => (by >= margin_db * 100 ? b : -1)).filter((b) => b >= 0);
		if (loud.length === 0) continue;
		const last = found.at(-1);
		if ((last && Math.round((k - last.end) * 100) < min_gap_s * 1000) || last?.end === k) Object.assign(last, { end: k + 1 });
		else found.push({ first: k, end: k + 1, score: 0, bands: [] });
		found.at(-1).score = Math.max(found.at(-1).score, ...loud.map((b) => over[b]));
		found.at(-1).bands.push(...loud);
	}
	return found
		.filter((s) => detector === "level" || (s.end - s.first) * 100 >= min_length_s * 1000)
		.map((s) => ({
			from_s: s.first / 10,
			to_s: s.end / 10,
			score_db: Math.round(s.score / 10) / 10,
			f_lo_hz: detector === "level" ? null : profile.detectionEdges[Math.min(...s.bands)],
			f_hi_hz: detector === "level" ? null : profile.detectionEdges[Math.max(...s.bands) + 1],
		}));
}

test("detection is the definition's, for every setting and every length of a last block", () => {
	let marked = 0;
	for (const [name, seconds] of [
		["one", 600],
		["two", 44.9],
		["three", 45],
		["four", 12.3],
		["five", 120.1],
	]) {
		const bytes = profileBytes(name, 5, seconds);
		const profile = new Profile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
		assert.equal(profile.windows, Math.round(seconds * 10));
		for (const detector of ["level", "bands"]) {
			for (const [margin_db, min_gap_s, min_length_s] of [
				[12, 2, 0.2],
				[1, 0, 0.1],
				[6.5, 0.1, 0.5],
				[20, 30, 0.2],
				[9, 0.2, 3],
			]) {
				const settings = { detector, margin_db, min_gap_s, min_length_s };
				const wanted = reference(profile, settings);
				assert.deepEqual(sections(profile, settings), wanted, `${name} ${JSON.stringify(settings)}`);
				marked += wanted.length;
			}
		}
	}
	assert.ok(marked > 500, `${marked} sections were compared`);
});

test("a profile that is torn or foreign is refused in a sentence", () => {
	const whole = profileBytes("one", 5, 30),
		of = (bytes) => new Profile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
	assert.equal(of(whole).windows, levels("one", 5, 30).length);
	for (const bytes of [
		whole.subarray(0, 10),
		whole.subarray(0, whole.length - 7),
		Buffer.from("RIFF".repeat(100)),
		Buffer.concat([whole, Buffer.alloc(3)]),
	]) {
		assert.throws(() => of(bytes), /profile/);
	}
});
