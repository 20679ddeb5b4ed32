// What the recorder tells by itself: one EventSource. Lists change by events, never by polling, and never under a sound that
// plays: then changes are kept, counted at the top of the page, and shown when the sound ends or somebody asks for them.
import { after, el, setText } from "./dom.js";
import { count } from "./format.js";
import { changeStatus, drop, fileOf, gap, library, loadDays, loadDay, loadStatus, put } from "./library.js";
import * as sound from "./sound.js";

const held = new Map();
const meters = new Set();
/** Levels come ten times a second and change no list: `act(sources)` gets each at once. */
export const onLevels = (act) => meters.add(act);

const again = after(300, () => loadStatus().catch(() => {}));
const FILES = { opened: put, closed: put, analysed: put, changed: put };
let wasLost = false;
/** A browser comes back by itself when a connection breaks, but not when the recorder answers that it is too busy. */
const AGAIN_MS = 3000;

export function start() {
	connect();
	sound.onChange((playing) => !playing && release());
}

function connect() {
	const source = new EventSource("api/events");
	for (const kind of ["opened", "closed", "analysed", "changed", "deleted", "uploaded", "gap", "alarm", "work", "level"]) {
		source.addEventListener(kind, (event) => receive(kind, parsed(event.data)));
	}
	source.addEventListener("open", () => {
		document.documentElement.classList.remove("lost");
		// What happened meanwhile was not told.
		if (wasLost)
			Promise.all([loadStatus(), loadDays(), ...[...library.loaded.keys()].map((date) => loadDay(date, true))]).catch(() => {});
		wasLost = false;
	});
	source.addEventListener("error", () => {
		wasLost = true;
		document.documentElement.classList.add("lost");
		if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
	});
}

function parsed(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

function receive(kind, data) {
	if (data === null) return;
	if (kind === "level") return meters.forEach((act) => act(data.sources));
	if (kind === "work") return changeStatus((status) => (status.work = data.done < data.total ? data : null));
	if (kind === "alarm") return void loadStatus().catch(() => {});
	// The sums of the status, and what is left to upload.
	if (kind === "opened" || kind === "closed" || kind === "uploaded" || data.reason) again();
	if (kind === "uploaded") {
		const file = data.uploaded_at && fileOf(data.name);
		return file && put({ ...file, uploaded_at: data.uploaded_at });
	}
	const change = kind === "deleted" ? () => drop(data.name) : kind === "gap" ? () => gap(data) : () => FILES[kind](data);
	// What one does oneself while listening (reviewed, locked, a note) moves nothing and is shown at once.
	if (!sound.playing() || kind === "changed") return change();
	held.set(`${kind === "deleted" ? "" : kind}${data.name ?? data.start}`, change);
	showHeld();
}

function release() {
	const changes = [...held.values()];
	held.clear();
	showHeld();
	changes.forEach((change) => change());
}

function showHeld() {
	const place = document.getElementById("held");
	if (held.size === 0) return place.replaceChildren();
	const text = `${count(held.size, "change")} in the list · show now`;
	const button = place.querySelector("button");
	if (button) setText(button, text);
	else place.append(el("button.pill", { onclick: release }, text));
}
