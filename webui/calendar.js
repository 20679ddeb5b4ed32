// Months of nights: underlined when recordings exist, an orange dot when something is still to review, hatched when something is
// missing, pale when there is nothing. The bar is how much stood out.
import { el, iconButton } from "./dom.js";
import { count, dateLong, monthLong, span } from "./format.js";
import { goToDay } from "./days.js";
import { library, on, today } from "./library.js";
import { get, on as onState, set } from "./store.js";

const place = el("div.calendar");
const SHOWN = 3;

export function start() {
	const draw = () => get().view === "calendar" && show();
	on("days", draw);
	onState("month view", draw);
	return place;
}

const shifted = (month, by) => {
	const [y, m] = month.split("-").map(Number);
	return new Date(Date.UTC(y, m - 1 + by, 1)).toISOString().slice(0, 7);
};

export function show() {
	if (library.days === null) return;
	const last = get().month || (library.days[0]?.date ?? today()).slice(0, 7);
	const rows = new Map(library.days.map((row) => [row.date, row]));
	const most = Math.max(1, ...library.days.map((row) => row.sections));
	const months = Array.from({ length: SHOWN }, (_, i) => shifted(last, i - SHOWN + 1));
	const go = (by) => set({ month: shifted(last, by) });
	place.replaceChildren(
		el(
			"div.calendar-head",
			el("h2", "Calendar"),
			iconButton("chevron", "A month earlier", () => go(-1), { class: "earlier" }),
			iconButton("chevron", "A month later", () => go(1)),
			el(
				"p.legend",
				el("span.cell-sample.has", "recorded"),
				el("span.cell-sample.todo", "to review"),
				el("span.cell-sample.gap", "gap"),
			),
		),
		el("div.months", ...months.map((month) => monthOf(month, rows, most))),
	);
}

function monthOf(month, rows, most) {
	const [y, m] = month.split("-").map(Number);
	const lead = (new Date(Date.UTC(y, m - 1, 1)).getUTCDay() + 6) % 7,
		days = new Date(Date.UTC(y, m, 0)).getUTCDate();
	const cells = [
		...Array(lead).fill(null),
		...Array.from({ length: days }, (_, i) => `${month}-${String(i + 1).padStart(2, "0")}`),
	];
	while (cells.length % 7) cells.push(null);
	const weeks = Array.from({ length: cells.length / 7 }, (_, w) =>
		el("tr", ...cells.slice(w * 7, w * 7 + 7).map((date) => el("td", date && cell(date, rows.get(date), most)))),
	);
	const names = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map((name) => el("th", { scope: "col" }, name));
	return el("table.month", el("caption", monthLong(month)), el("thead", el("tr", ...names)), el("tbody", ...weeks));
}

function cell(date, row, most) {
	const number = String(Number(date.slice(8)));
	if (!row) return el("span.cell.none", number);
	const kinds = ["cell", "has", row.to_review > 0 && "todo", row.gaps > 0 && "gap", date === today() && "today"]
		.filter(Boolean)
		.join(" ");
	const text = [
		dateLong(date),
		count(row.files, "file"),
		span(row.duration_s),
		count(row.sections, "section"),
		row.to_review > 0 && `${row.to_review} to review`,
		row.gaps > 0 && count(row.gaps, "gap"),
	]
		.filter(Boolean)
		.join(", ");
	const bar = el("span.cell-bar", { "aria-hidden": "true" });
	bar.style.transform = `scaleX(${Math.sqrt(row.sections / most)})`;
	return el("button", { class: kinds, "aria-label": text, title: text, onclick: () => goToDay(date) }, number, bar);
}
