// The next two weeks of each source that has a schedule: a row a day, what is recorded, and night behind it.
import { api } from "./api.js";
import { el, svg } from "./dom.js";
import { dateLong } from "./format.js";
import { library } from "./library.js";

const DAY = 1440;

/** Nothing is shown where nothing is planned. */
export async function load(place) {
	const { sources } = await api.schedule();
	place.replaceChildren(...sources.map(calendar));
}

const clocks = (zone) => {
	const timeZone = zone === "local" ? "UTC" : zone;
	const shift = zone === "local" ? library.status.utc_offset_s * 1000 : 0;
	const form = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
	return (at) => form.format(Date.parse(at) + shift);
};

function calendar({ source, time_zone, duty, on, until, days }) {
	const clock = clocks(time_zone);
	const now = `${on ? "on" : "off"}${until ? ` until ${clock(until)}` : ""}`;
	const part = duty && `, of each window ${duty.on_s} s of every ${duty.of_s} s`;
	return el(
		"section.card.schedule",
		{ "aria-label": `Schedule of ${source}` },
		el("h3", `Schedule of ${source}`),
		el("p.dim", `Now ${now}${part ?? ""}. Times of ${time_zone === "local" ? "the recorder" : time_zone}.`),
		el("ol", ...days.map((day) => row(day, clock))),
	);
}

function row(day, clock) {
	const [begin, end] = [day.begin, day.end].map(Date.parse);
	const x = (at) => (Math.min(1, Math.max(0, (Date.parse(at) - begin) / (end - begin))) * DAY).toFixed(1);
	const bar = (kind, from, to) => svg("rect", { class: kind, x: x(from), width: Math.max(0, x(to) - x(from)) });
	const night = day.sunrise ? [bar("night", day.begin, day.sunrise), bar("night", day.sunset, day.end)] : [];
	const windows = day.windows.map(({ from, to }) => bar("window", from, to));
	const last = (at) => (Date.parse(at) === end ? "24:00" : clock(at));
	const words = day.windows.map(({ from, to }) => `${clock(from)}–${last(to)}`).join(", ") || "nothing";
	const sun = day.sunrise && `sun ${clock(day.sunrise)}–${clock(day.sunset)}`;
	return el(
		"li",
		el("span.schedule-date", dateLong(day.date)),
		svg("svg", { viewBox: `0 0 ${DAY} 10`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...night, ...windows),
		el("span", words),
		el("span.dim", sun || ""),
	);
}
