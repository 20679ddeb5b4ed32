// The bar above the list: name, dates, source, what is still to review, and the detection sliders. Filters act at once on all that
// the page knows; only names in days that were never opened have to be asked for, once typing pauses.
import { api } from "./api.js";
import { after, el, icon, iconButton, setText } from "./dom.js";
import { detection, library, on, recompute, usual } from "./library.js";
import { foundIn } from "./labels.js";
import * as store from "./store.js";

/** Files of unopened days that match name and source: date -> how many; null while nobody has asked. */
let hits = null;
const listeners = [];
export const onChange = (act) => listeners.push(act);
const tell = () => listeners.forEach((act) => act());

export function matches(file) {
	const { q, source, from, to, todo } = store.get();
	return (
		[file.name, ...foundIn([file]).map(({ name }) => name)].some((name) => name.toLowerCase().includes(q.trim().toLowerCase())) &&
		(source === "" || file.source === source) &&
		inDates(file.date) &&
		(todo === "" || !file.reviewed || file.state === "open")
	);
}

const inDates = (date) =>
	(store.get().from === "" || date >= store.get().from) && (store.get().to === "" || date <= store.get().to);
const byName = () => store.get().q.trim() !== "" || store.get().source !== "";
export const active = () => byName() || store.get().from !== "" || store.get().to !== "" || store.get().todo !== "";

/** How many of a day's files are shown: a number, or null when nobody knows yet. */
export function shownOf(row) {
	const { todo } = store.get();
	if (!inDates(row.date)) return 0;
	const day = library.loaded.get(row.date);
	if (day) return day.files.filter(matches).length;
	if (todo !== "" && row.to_review === 0) return 0;
	if (byName()) return hits === null ? null : (hits.counts.get(row.date) ?? (row.date <= hits.knownAfter ? null : 0));
	return todo === "" ? row.files : null;
}

export const clearAll = () => store.set({ q: "", from: "", to: "", source: "", todo: "" });

/** Days whose files can only be counted by the recorder. */
const search = after(180, async () => {
	const { q, source, from, to } = store.get();
	if (!byName() || (library.days ?? []).every((row) => library.loaded.has(row.date) || !inDates(row.date))) return;
	const key = JSON.stringify([q, source, from, to]);
	const page = await api.files({ q: q.trim(), source, from, to, limit: 1000 }).catch(() => null);
	if (page === null || key !== JSON.stringify(["q", "source", "from", "to"].map((name) => store.get()[name]))) return;
	const counts = new Map();
	for (const file of page.files) counts.set(file.date, (counts.get(file.date) ?? 0) + 1);
	// A day at the end of a full page may have more: it counts as unknown until it is opened.
	const oldest = page.files.at(-1)?.date;
	if (page.next) counts.delete(oldest);
	hits = { counts, knownAfter: page.next ? oldest : "", total: page.total };
	tell();
});

function changed() {
	hits = null;
	tell();
	search();
}

/** "N of M shown", M being all files of the folder. */
function summary() {
	const rows = library.days ?? [];
	const all = rows.reduce((sum, row) => sum + row.files, 0);
	const parts = rows.map(shownOf);
	const known = parts.reduce((sum, n) => sum + (n ?? 0), 0);
	const isWhole = parts.every((n) => n !== null);
	const n = isWhole ? known : hits && store.get().todo === "" ? hits.total : known;
	return `${n.toLocaleString("en")}${isWhole || hits ? "" : "+"} of ${all.toLocaleString("en")} shown`;
}

const debounced = after(120, () => recompute().catch(() => {}));

export function start() {
	const state = store.get();
	const bind = (key, input) => {
		input.value = store.get()[key];
		// Escape in a search field clears it without an input event.
		for (const kind of ["input", "search"]) input.addEventListener(kind, () => store.set({ [key]: input.value }));
		return input;
	};
	const name = bind(
		"q",
		el("input", {
			type: "search",
			id: "search",
			placeholder: "Name or label",
			"aria-label": "File name or label contains",
			autocomplete: "off",
			spellcheck: "false",
		}),
	);
	const from = bind("from", el("input", { type: "date", id: "from", "aria-label": "From date" }));
	const to = bind("to", el("input", { type: "date", id: "to", "aria-label": "To date" }));
	const source = bind(
		"source",
		el("select", { id: "source", "aria-label": "Source" }, el("option", { value: "" }, "All sources")),
	);
	const todo = el("input", { type: "checkbox", id: "todo" });
	todo.checked = state.todo !== "";
	todo.addEventListener("change", () => store.set({ todo: todo.checked ? "1" : "" }));
	const shown = el("output.shown-count", { id: "shown", "aria-live": "polite" });
	const clear = iconButton("close", "Clear the filters", clearAll);
	const result = el("span.filter-result", { hidden: true }, shown, clear);
	const more = el(
		"div.more-filters",
		{ id: "more-filters" },
		el("span.dates", from, el("span.dim", { "aria-hidden": "true" }, "–"), to),
		source,
		el("label.check", todo, "to review"),
		...sliders(),
	);
	const fold = el(
		"button.icon-button.fold",
		{
			"aria-label": "Filters and detection",
			"aria-expanded": "false",
			"aria-controls": "more-filters",
			onclick: () => fold.setAttribute("aria-expanded", document.getElementById("filters").classList.toggle("unfolded")),
		},
		icon("filter"),
	);
	document.getElementById("filters").append(el("div.search", icon("search"), name, result), fold, more);
	store.on("q from to source todo", () => {
		for (const input of [name, from, to, source]) {
			const value = store.get()[input === name ? "q" : input.id];
			if (input.value !== value) input.value = value;
		}
		todo.checked = store.get().todo !== "";
		changed();
	});
	const fill = () => {
		const known = new Set([
			...(library.status?.sources ?? []).map((s) => s.name),
			...[...library.loaded.values()].flatMap((day) => day.files.map((f) => f.source)),
		]);
		if (store.get().source) known.add(store.get().source);
		const names = [...known].filter(Boolean).sort();
		if (
			names.join() ===
			[...source.options]
				.slice(1)
				.map((option) => option.value)
				.join()
		)
			return;
		source.replaceChildren(source.options[0], ...names.map((value) => el("option", { value }, value)));
		source.value = store.get().source;
	};
	const recount = () => {
		result.hidden = !active();
		if (active()) setText(shown, summary());
	};
	for (const kind of ["status", "days", "day"]) on(kind, fill);
	on("days", recount);
	on("day", recount);
	onChange(recount);
	if (byName()) search();
}

/** Margin and gap: rows that are open answer while one drags; days follow when the hand rests. */
function sliders() {
	const slider = (key, name, unit, min, max, step) => {
		const input = el("input", { type: "range", id: key, min, max, step, "aria-label": `${key} in ${unit}` });
		const text = el("output", { for: key });
		const show = () => {
			input.value = detection()[name];
			const shown = `${Number(input.value)} ${unit}`;
			setText(text, shown);
			input.setAttribute("aria-valuetext", shown);
		};
		input.addEventListener("input", () =>
			store.set({ [key]: Number(input.value) === usual()[name] ? "" : input.value }),
		);
		store.on(`${key} detector`, show);
		on("status", show);
		show();
		return el("label.slider", el("span", key), input, text);
	};
	const rule = el(
		"select",
		{ id: "detector", "aria-label": "Detector" },
		el("option", { value: "level" }, "level"),
		el("option", { value: "bands" }, "bands"),
	);
	const showRule = () => (rule.value = detection().detector);
	rule.addEventListener("change", () =>
		store.set({ detector: rule.value === library.status?.detection?.detector ? "" : rule.value }),
	);
	store.on("detector", showRule);
	on("status", showRule);
	store.on("margin gap detector", debounced);
	return [
		el(
			"span.detection",
			{ role: "group", "aria-label": "Detection" },
			slider("margin", "margin_db", "dB", 3, 30, 1),
			slider("gap", "min_gap_s", "s", 0, 30, 0.5),
			rule,
		),
	];
}
