// The keyboard: one table, which `?` shows. Keys work wherever nobody types; what they mean is said by the thing in use: the clip in
// the bar, else the recording that was opened last.
import { clipItem, close, isOpen, openInFile, seekBy, step, toggle } from "./clipbar.js";
import { save } from "./cut.js";
import { urls } from "./api.js";
import { ask, list } from "./dialog.js";
import { currentDate, goToDay, groupOf } from "./days.js";
import { announce } from "./dom.js";
import { secondOfDay } from "./format.js";
import { fileOf, library, loadDay, startsAt, today } from "./library.js";
import { lock, note, review } from "./marks.js";
import { currentRow, rowOf } from "./row.js";
import { copy } from "./rowmenu.js";
import { any, clear } from "./selection.js";
import { get, set } from "./store.js";
import * as sound from "./sound.js";

/** The recording that a key is about. */
function file() {
	const found = isOpen() ? clipItem().file : currentRow()?.file;
	if (!found) announce("Choose a recording first.");
	return found ? (fileOf(found.name) ?? found) : null;
}

const withFile = (act) => () => {
	const found = file();
	if (found) act(found);
};

/** What sounds or would: the bar's clip, else the open row. */
function seek(seconds) {
	if (isOpen()) return seekBy(seconds);
	const player = currentRow()?.player;
	player?.seek(player.audio.currentTime + seconds, false);
}

function playOrPause() {
	if (isOpen()) return toggle();
	const row = currentRow();
	if (row?.player) return sound.toggle(row.player.audio);
	step(1);
}

function cutHere(found) {
	const row = rowOf(found.name);
	if (row) row.openCut();
	else openInFile().then(() => rowOf(found.name)?.openCut());
}

function sourceNumber(number) {
	const names = (library.status?.sources ?? []).map((source) => source.name);
	const name = names[number - 1];
	if (name) set({ source: get().source === name ? "" : name });
}

async function goToTime() {
	const text = await ask("Go to a time", "Time of day", "", { hint: `In ${currentDate()}, as 4:12 or 04:12:30.`, yes: "Go" });
	if (text === null) return;
	if (!/^\d{1,2}:\d\d(:\d\d)?$/.test(text.trim())) return announce("A time is typed as 4:12 or 04:12:30.");
	const at = secondOfDay(text.trim()),
		date = currentDate();
	const day = await loadDay(date).catch(() => null);
	if (!groupOf(date)?.isOpen) goToDay(date);
	const found = day?.files.findLast((one) => at >= startsAt(one) && at < startsAt(one) + Math.max(one.duration_s, 1));
	if (!found) return announce("Nothing was recorded then.");
	rowOf(found.name)?.playFrom(at - startsAt(found));
}

function escape() {
	if (any()) return clear();
	if (isOpen()) return close();
	if (get().view !== "days") set({ view: "days" });
}

/** The key as the browser tells it, what it does, how. */
const KEYS = [
	["j", "next section", () => step(1)],
	["k", "previous section", () => step(-1)],
	["J", "next section that is not reviewed", () => step(1, true)],
	["K", "previous section that is not reviewed", () => step(-1, true)],
	[" ", "play or pause", playOrPause],
	["ArrowLeft", "5 seconds back", () => seek(-5)],
	["ArrowRight", "5 seconds on", () => seek(5)],
	[",", "1 second back", () => seek(-1)],
	[".", "1 second on", () => seek(1)],
	["o", "open the clip in its file", () => isOpen() && openInFile()],
	["r", "reviewed, or not", withFile((found) => review(found))],
	["l", "lock, or unlock", withFile((found) => lock(found))],
	["n", "note", withFile((found) => note(found))],
	["c", "download the clip of this section", () => isOpen() && document.querySelector("#knobs .keep").click()],
	["x", "cut here", withFile(cutHere)],
	["e", "export the sections as CSV", withFile((found) => save(urls.export(found.name, "events.csv"), ""))],
	["s", "copy a link to what is shown", () => copy(location.href)],
	["12345", "only this source, or all", (key) => sourceNumber(Number(key))],
	["t", "today", () => goToDay(library.days?.some((row) => row.date === today()) ? today() : currentNewest())],
	["g", "go to a time", goToTime],
	["/", "search", () => document.getElementById("search").focus()],
	["Escape", "clear the selection, close the player", escape],
	["?", "these keys", () => showKeys()],
];
const CAPS = { J: "Shift J", K: "Shift K", " ": "Space", ArrowLeft: "←", ArrowRight: "→", 12345: "1–5", Escape: "Esc" };
const currentNewest = () => library.days?.[0]?.date ?? today();

export const showKeys = () =>
	list(
		"Keys",
		KEYS.map(([key, what]) => [(CAPS[key] ?? key.toUpperCase()).split(" "), what]),
	);

const TYPING = "input:not([type=checkbox]):not([type=range]), select, textarea, [contenteditable]";

export function start() {
	document.addEventListener("keydown", (event) => {
		const { target, key } = event;
		if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]"))
			return;
		if (target.matches(TYPING)) return void (key === "Escape" && target.blur());
		// Space presses buttons, arrows move sliders: as everywhere.
		if (key === " " && target.closest("button, a, summary, [role=button], input")) return;
		if (key.startsWith("Arrow") && target.matches("input[type=range]")) return;
		const entry = KEYS.find(([own]) => own === key || (own === "12345" && /^[1-5]$/.test(key)));
		if (!entry) return;
		event.preventDefault();
		entry[2](key);
	});
}
