// What is known of the folder: the recorder's status, all days as rows, and whole days that were opened. Modules read it and are
// told of changes; only events.js and this module change it. Nothing is drawn here.
import { api } from "./api.js";
import { after } from "./dom.js";
import { secondOfDay } from "./format.js";
import * as store from "./store.js";

export const library = {
	/** As /api/status; null until it came. */
	status: null,
	/** Newest first; null until they came. */
	days: null,
	/** date -> day with its files, oldest first; only days that were opened. */
	loaded: new Map(),
};

const listeners = new Map();
/** Kinds: "status", "days", "day" (date), "removed" (name). */
export function on(kind, act) {
	listeners.set(kind, [...(listeners.get(kind) ?? []), act]);
}
const tell = (kind, what) => (listeners.get(kind) ?? []).forEach((act) => act(what));

const DEFAULTS = { detector: "level", margin_db: 12, min_gap_s: 2, min_length_s: 0.2, pre_roll_s: 2, post_roll_s: 1 };
const configured = () => ({ ...DEFAULTS, ...library.status?.detection });

/** Where the sliders rest: at the recorder's own, and for the other detector at what is usual for that one. */
export function usual() {
	const own = configured();
	const detector = store.get().detector || own.detector;
	const margin_db = detector === own.detector ? own.margin_db : { level: 12, bands: 15 }[detector];
	return { ...own, detector, margin_db };
}

/** What the sliders say, over that. */
export function detection() {
	const { margin, gap } = store.get();
	const { margin_db, min_gap_s, ...rest } = usual();
	return {
		...rest,
		margin_db: margin === "" ? margin_db : Number(margin),
		min_gap_s: gap === "" ? min_gap_s : Number(gap),
	};
}

/** As parameters of a request; nothing when the recorder's own sections are wanted. */
function asked() {
	const { margin, gap, detector } = store.get();
	if (margin === "" && gap === "" && detector === "") return {};
	const { margin_db, min_gap_s, detector: rule, min_length_s } = detection();
	return { margin: margin_db, min_gap: min_gap_s, detector: rule, min_length: min_length_s };
}

export async function loadStatus() {
	library.status = await api.status();
	library.behind = Date.parse(library.status.now) - Date.now();
	tell("status");
}

/** The recorder's time in ms, whatever the phone's clock says. */
export const now = () => Date.now() + (library.behind ?? 0);
/** A moment as the recorder's clock on the wall has it: `2026-05-22 04:12`; `length` cuts it off elsewhere. */
export const local = (at, length = 16) =>
	new Date(new Date(at).getTime() + (library.status?.utc_offset_s ?? 0) * 1000).toISOString().slice(0, length).replace("T", " ");
export const today = () => local(now(), 10);

export async function loadDays() {
	library.days = await api.days();
	for (const date of library.loaded.keys()) if (!library.days.some((row) => row.date === date)) library.loaded.delete(date);
	tell("days");
}

const coming = new Map();
/** A whole day; asked for once however many want it. */
export function loadDay(date, anew = false) {
	if (library.loaded.has(date) && !anew) return Promise.resolve(library.loaded.get(date));
	if (!coming.has(date)) {
		coming.set(
			date,
			api
				.day(date, asked())
				.then((day) => {
					library.loaded.set(date, day);
					tell("day", date);
					return day;
				})
				.finally(() => coming.delete(date)),
		);
	}
	return coming.get(date);
}

/** Days that are open get their sections anew, from the recorder: a slider moved. The last answer wins. */
let wanted = 0;
export async function recompute() {
	const mine = (wanted += 1);
	for (const date of library.loaded.keys()) {
		const day = await api.day(date, asked());
		if (mine !== wanted) return;
		library.loaded.set(date, day);
		tell("day", date);
	}
}

const refreshDays = after(250, () => loadDays().catch(() => {}));
const refreshDay = after(250, (date) => loadDay(date, true).catch(() => {}));

/** A file that is new or changed. */
export function put(file) {
	const day = library.loaded.get(file.date);
	if (day) {
		const at = day.files.findIndex((known) => known.name === file.name);
		if (at >= 0) day.files[at] = file;
		else day.files.push(file);
		day.files.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.name < b.name ? -1 : 1));
		// An event carries sections by the recorder's own settings.
		if (Object.keys(asked()).length && file.state === "analysed") refreshDay(file.date);
		recount(day);
		tell("day", file.date);
	}
	refreshDays();
}

export function drop(name) {
	for (const [date, day] of library.loaded) {
		const at = day.files.findIndex((file) => file.name === name);
		if (at < 0) continue;
		day.files.splice(at, 1);
		recount(day);
		tell("removed", name);
		tell("day", date);
	}
	refreshDays();
}

export function gap(found) {
	const date = local(found.start, 10),
		day = library.loaded.get(date);
	if (!day) return refreshDays();
	day.gaps.push(found);
	recount(day);
	tell("day", date);
}

export function changeStatus(change) {
	if (!library.status) return;
	change(library.status);
	tell("status");
}

/** The sums of a day's heading, from its files: no request is needed for them. */
function recount(day) {
	const sum = (of) => day.files.reduce((all, file) => all + of(file), 0);
	day.files_count = day.files.length;
	day.duration_s = sum(lengthOf);
	day.bytes = sum((file) => file.bytes);
	day.sections = sum((file) => file.sections.length);
	day.to_review = sum((file) => (file.reviewed ? 0 : file.sections.length));
	day.gaps_count = day.gaps.length;
}

/** Of the days that are loaded; null if it is in none. */
export function fileOf(name) {
	for (const day of library.loaded.values()) {
		const found = day.files.find((file) => file.name === name);
		if (found) return found;
	}
	return null;
}

/** Seconds; of one that is being recorded, until now if nobody said. */
export function lengthOf(file) {
	if (file.state !== "open") return file.duration_s;
	return Math.max(file.duration_s, Math.min((now() - Date.parse(file.start)) / 1000, 86400));
}

/** Seconds since local midnight at which a file starts. */
export const startsAt = (file) => secondOfDay(file.local);

/** Moments of a recording that somebody marked, in its seconds: from_s, to_s, at, note, clip. */
export const bookmarksOf = ({ details, rate_hz }) =>
	(rate_hz && details?.bookmarks ? details.bookmarks : []).map((mark) => ({ ...mark, from_s: mark.from_frame / rate_hz, to_s: mark.to_frame / rate_hz }));

/** Sections of these files in time order, each with its file: what J and K step through. */
export function queueOf(files) {
	// What was cut out of others stands in them.
	const own = files.filter((file) => files.length === 1 || file.details?.end_reason !== "mark");
	const all = own.flatMap((file) => file.sections.map((section) => ({ file, section, at: startsAt(file) + section.from_s })));
	return all.sort((a, b) => a.at - b.at);
}
