// What other programs (BirdNET, BatDetect and their like) found in recordings. A list knows of each name how often it was found and where
// most surely; a player asks for all of them with their times.
import { el } from "./dom.js";
import { band, clock } from "./format.js";
import { get, set } from "./store.js";

/** A player lists so many, the surest. */
const MOST = 100;
const sure = ({ best, confidence }) => best ?? confidence ?? -1;
const bySureness = (a, b) => sure(b) - sure(a) || b.count - a.count;
export const percent = (one) => (sure(one) < 0 ? "" : `${Math.round(sure(one) * 100)} %`);

/** Each name that was found in these files, the surest first: name, best, count, file and from_s of the best. */
export function foundIn(files) {
	const names = new Map();
	for (const file of files)
		for (const one of (file.details?.labels ?? []).flatMap(({ found }) => found)) {
			const known = names.get(one.name);
			const best = known && sure(known) >= sure(one) ? known : { ...one, file };
			names.set(one.name, { ...best, count: one.count + (known?.count ?? 0) });
		}
	return [...names.values()].sort(bySureness);
}

const chip = (name, details, more) =>
	el("button.chip.label", more, el("span", name), ...details.filter(Boolean).map((text) => el("span.chip-score", text)));
const list = (words, chips) => el("ol.chips", { "aria-label": words }, ...chips.map((one) => el("li", one)));

/** Of a day, drawn only when it differs: each name leads to the recordings that have it, and back to all. */
export function showNames(place, files) {
	const names = foundIn(files).slice(0, MOST),
		key = names.map(({ name, best, count }) => [name, best, count]).join();
	if (key !== place.key) {
		const one = (it) => chip(it.name, [percent(it), `${it.count}×`], { onclick: () => set({ q: it.name === get().q ? "" : it.name }) });
		place.replaceChildren(names.length ? list("What other programs found", names.map(one)) : "");
		place.key = key;
	}
	for (const button of place.querySelectorAll("button")) button.setAttribute("aria-pressed", button.firstChild.textContent === get().q);
}

/** Of a recording, in order of time; onPick(second) plays from there. What is looked for by name stands alone. */
export function listOf(labels, onPick) {
	const q = get().q.trim().toLowerCase(),
		wanted = labels.filter(({ name }) => q && name.toLowerCase().includes(q));
	const all = wanted.length ? wanted : labels,
		shown = [...all].sort(bySureness).slice(0, MOST).sort((a, b) => a.from_s - b.from_s);
	const one = (it) =>
		chip(it.name, [clock(it.from_s), percent(it), band(it.f_lo_hz, it.f_hi_hz)], {
			title: [it.scientific_name, it.tool].filter(Boolean).join(" · "),
			onclick: () => onPick(it.from_s),
		});
	return [
		list("What other programs found, by time", shown.map(one)),
		shown.length < all.length && el("p.chips-words.dim", `The ${MOST} surest of ${all.length}.`),
	].filter(Boolean);
}
