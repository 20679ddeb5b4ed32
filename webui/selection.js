// Several recordings at once: what is ticked, and what one can do with all of it. Shown only while something is ticked.
import { api, urls } from "./api.js";
import { save } from "./cut.js";
import { el, icon } from "./dom.js";
import { bytes, count, span } from "./format.js";
import { fileOf, lengthOf } from "./library.js";
import { each, removeAll } from "./marks.js";

const names = new Set();
const listeners = new Set();
export const isSelected = (name) => names.has(name);
export function onSelection(act) {
	listeners.add(act);
	return () => listeners.delete(act);
}

export function select(name, wanted) {
	if (names.has(name) === wanted) return;
	names[wanted ? "add" : "delete"](name);
	changed();
}

export function clear() {
	names.clear();
	changed();
}

export const any = () => names.size > 0;

function changed() {
	listeners.forEach((act) => act());
	const place = document.getElementById("selection"),
		files = [...names].map(fileOf).filter(Boolean);
	place.hidden = files.length === 0;
	document.body.classList.toggle("selecting", files.length > 0);
	if (files.length === 0) return place.replaceChildren();
	const sum = (of) => files.reduce((all, file) => all + of(file), 0);
	const act = (sign, word, run, more = {}) => el("button", { onclick: run, ...more }, icon(sign), el("span", word));
	const closed = files.filter((file) => file.state !== "open");
	place.replaceChildren(
		el(
			"span.selection-words",
			{ role: "status" },
			`${count(files.length, "recording")} · ${span(sum(lengthOf))} · ${bytes(sum((file) => file.bytes))}`,
		),
		act("check", "Reviewed", () => each(files, (file) => api.reviewed(file.name, true), "marked reviewed")),
		act("lock", "Lock", () => each(files, (file) => api.lock(file.name, true), "locked")),
		act("download", "Zip", () => save(urls.zip(closed.map((file) => file.name)), "soundpost.zip"), {
			disabled: closed.length === 0,
		}),
		act("trash", "Delete", () => removeAll(files), { class: "danger" }),
		act("close", "Clear", clear),
	);
}
