// The timeline of a day: a lane for each source with its files in blue, sections in orange over them, gaps hatched, and three time
// labels. An SVG, because it is read by eyes and by screen readers alike and there is little of it.
import { svg } from "./dom.js";
import { clamp, count, endOfDay, timeOfDay } from "./format.js";
import { bookmarksOf, lengthOf, startsAt } from "./library.js";
import { gapSeconds, pauses } from "./daypicture.js";
import { get } from "./store.js";

const WIDTH = 1000,
	LANE = 14,
	SPACE = 4;
/** Neighbours of one colour that are nearer than this many units are drawn as one. */
const NEAR = 0.7;

/** span: {from, to} in seconds since midnight; files: those that the filters leave. */
export function activity(day, span, files) {
	const x = (second) => ((clamp(second, span.from, span.to) - span.from) / (span.to - span.from)) * WIDTH;
	// A source that recorded nothing may have a gap all the same, unless the filters leave it out.
	const wanted = get().source,
		gaps = day.gaps.filter((gap) => wanted === "" || gap.source === wanted);
	const sources = [...new Set([...files, ...gaps].map((one) => one.source))].sort();
	const height = Math.max(1, sources.length) * (LANE + SPACE) - SPACE;
	const found = files.reduce((sum, file) => sum + file.sections.length, 0);
	const marked = files.reduce((sum, file) => sum + bookmarksOf(file).length, 0);
	const title = `Activity from ${timeOfDay(span.from, false)} to ${endOfDay(span.to)}: ${count(files.length, "file")}, ${count(found, "loud section")}, ${count(day.gaps.length, "gap")}${marked ? `, ${count(marked, "mark")}` : ""}`;
	const picture = svg(
		"svg",
		{
			class: "activity-picture",
			role: "img",
			"aria-label": title,
			viewBox: `0 0 ${WIDTH} ${height}`,
			preserveAspectRatio: "none",
		},
		pattern(`hatch-${day.date}`),
	);
	sources.forEach((source, lane) => {
		const own = files.filter((file) => file.source === source),
			y = lane * (LANE + SPACE);
		const bar = (kind, from, to, least, inset = 0) =>
			svg("rect", {
				class: kind,
				x: x(from).toFixed(2),
				y: y + inset,
				height: LANE - 2 * inset,
				width: Math.max(least, x(to) - x(from)).toFixed(2),
				...(kind === "gap" ? { fill: `url(#hatch-${day.date})` } : {}),
			});
		for (const [from, to] of pauses(own, span)) picture.append(bar("pause", from, to, 0));
		for (const file of own)
			picture.append(bar("extent", startsAt(file), startsAt(file) + lengthOf(file) - 0.4 / (WIDTH / (span.to - span.from)), 1));
		const sections = own.flatMap((file) => file.sections.map((s) => [startsAt(file) + s.from_s, startsAt(file) + s.to_s]));
		for (const [from, to] of joined(sections, (NEAR / WIDTH) * (span.to - span.from)))
			picture.append(bar("section", from, to, 1.6, 2));
		for (const file of own)
			for (const { from_s, to_s } of bookmarksOf(file))
				picture.append(bar("bookmark", startsAt(file) + from_s, startsAt(file) + to_s, 3, 4));
		for (const gap of gaps.filter((gap) => gap.source === source)) picture.append(bar("gap", ...gapSeconds(gap, day), 3));
	});
	const labels = [timeOfDay(span.from, false), timeOfDay((span.from + span.to) / 2, false), endOfDay(span.to)];
	const times = document.createElement("div");
	times.className = "times";
	times.append(...labels.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
	const all = document.createDocumentFragment();
	all.append(picture, times);
	return all;
}

function joined(ranges, near) {
	const found = [];
	for (const [from, to] of ranges.sort((a, b) => a[0] - b[0])) {
		const last = found[found.length - 1];
		if (last && from - last[1] < near) last[1] = Math.max(last[1], to);
		else found.push([from, to]);
	}
	return found;
}

function pattern(id) {
	const tile = svg(
		"pattern",
		{ id, width: "6", height: "6", patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
		svg("rect", { class: "hatch-ground", width: "6", height: "6" }),
		svg("rect", { class: "hatch-line", width: "2", height: "6" }),
	);
	return svg("defs", {}, tile);
}
