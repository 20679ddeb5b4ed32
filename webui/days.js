// The list of days, newest first. Groups are made forty at a time as one scrolls: ten years of nights cost what is on the screen.
// The newest day is open; which days are open is in the address and survives every filter.
import { el } from "./dom.js";
import { Day } from "./day.js";
import { active, clearAll, onChange, shownOf } from "./filters.js";
import { library, on, today } from "./library.js";
import { get, on as onState, set } from "./store.js";

const PAGE = 40;
const groups = new Map();
let list,
	end,
	limit = PAGE;

/** Dates that are open: what the address says, or the newest. */
function openDates() {
	const { open, day } = get();
	if (open[0] === "none") return [];
	if (open.length > 0) return open;
	return day ? [day] : library.days?.length ? [library.days[0].date] : [];
}

export function toggleDay(date, wanted = !openDates().includes(date)) {
	const dates = openDates().filter((open) => open !== date);
	if (wanted) dates.push(date);
	set({ open: dates.length ? dates.sort().reverse() : ["none"] });
}

/** Opens a day and brings it near. */
export function goToDay(date) {
	const open = [...new Set([...openDates(), date])].sort().reverse();
	set({ view: "days", day: date, open });
	bringNear(date);
}

function bringNear(date) {
	const at = (library.days ?? []).findIndex((row) => row.date === date);
	if (at < 0) return;
	limit = Math.max(limit, at + 10);
	show();
	groups.get(date)?.node.scrollIntoView({ block: "start" });
}

export function start() {
	list = el("div.days");
	const more = el("button.quiet", { onclick: grow }, "Older days");
	end = el("div.days-end", { hidden: true }, more);
	new IntersectionObserver(([entry]) => entry.isIntersecting && grow(), { rootMargin: "600px" }).observe(end);
	on("days", show);
	on("day", show);
	onChange(show);
	onState("open day", show);
	on("status", () => library.days?.length === 0 && show());
	return el("div", list, end);
}

/** The first time a linked day is there it is brought near; later arrivals move nothing. */
let isPlaced = false;
function grow() {
	limit += PAGE;
	show();
}

function show() {
	if (library.days === null) return;
	const open = new Set(openDates());
	const rows = library.days.filter((row) => shownOf(row) !== 0);
	const shown = rows.slice(0, limit);
	const wanted = new Set(shown.map((row) => row.date));
	for (const [date, group] of groups) if (!wanted.has(date)) group.node.remove();
	let before = null;
	for (const row of shown) {
		let group = groups.get(row.date);
		if (!group) groups.set(row.date, (group = new Day(row.date)));
		group.update(row, open.has(row.date));
		const place = before === null ? list.firstChild : before.nextSibling;
		if (group.node !== place) list.insertBefore(group.node, place);
		before = group.node;
	}
	for (const [date] of groups) if (!library.days.some((row) => row.date === date)) groups.delete(date);
	end.hidden = rows.length <= limit;
	showEmpty(rows);
	if (!isPlaced && get().day && wanted.has(get().day)) {
		isPlaced = true;
		requestAnimationFrame(() => groups.get(get().day)?.node.scrollIntoView({ block: "start" }));
	} else if (!isPlaced && get().day && rows.some((row) => row.date === get().day)) {
		bringNear(get().day);
	}
}

/** Emptiness teaches: why, and what comes next. */
function showEmpty(rows) {
	list.querySelector(".empty")?.remove();
	if (rows.length > 0) return;
	list.append(el("div.empty", ...(library.days.length > 0 && active() ? noMatch() : noRecordings())));
}

const noMatch = () => [
	el("h2", "Nothing matches"),
	el("p", "No recording has this name or label, these dates and this source."),
	el("button.primary", { onclick: clearAll }, "Show all recordings"),
];

function noRecordings() {
	const { status } = library;
	const head = el("h2", "No recordings yet");
	if (status?.mode === "serve")
		return [
			head,
			el(
				"p",
				`There is no WAV, FLAC, MP3, Ogg, Opus or AAC file in ${status.folder}. Put some there; they appear here by themselves.`,
			),
		];
	const recording = status?.sources.filter((source) => source.state === "recording") ?? [];
	if (recording.length === 0)
		return [head, el("p", "No source records at the moment. "), el("a", { href: "#/status" }, "See what each source waits for")];
	return [
		head,
		el(
			"p",
			`${recording.map((source) => source.name).join(" and ")} ${recording.length > 1 ? "are" : "is"} recording. The first file is shown here as soon as it has sound.`,
		),
	];
}

export const groupOf = (date) => groups.get(date);
export const currentDate = () => get().day || openDates()[0] || today();
