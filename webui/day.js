// One day: a heading with its sums and, once it is open, the picture of the day, what stood out, and its recordings. A closed day
// fetches nothing. Rows are kept by name, so that an update touches only what differs.
import { activity } from "./activity.js";
import { api } from "./api.js";
import { Chips } from "./chips.js";
import { announce, el, icon, iconButton, setText, waiting } from "./dom.js";
import { DayPicture, parsePicture } from "./daypicture.js";
import { matches } from "./filters.js";
import { showNames } from "./labels.js";
import { bytes, count, dateLong, span } from "./format.js";
import { bookmarksOf, lengthOf, library, loadDay, queueOf, startsAt } from "./library.js";
import { each } from "./marks.js";
import { Row } from "./row.js";
import { playQueue } from "./clipbar.js";
import { toggleDay } from "./days.js";
import { get } from "./store.js";

const PAGE = 100;

export class Day {
	constructor(date) {
		this.date = date;
		this.rows = new Map();
		this.limit = PAGE;
		this.isOpen = false;
		const id = `day-${date}`;
		this.facts = el("span.day-facts");
		this.toggle = el(
			"button.day-toggle",
			{ "aria-expanded": "false", "aria-controls": id, onclick: () => toggleDay(date) },
			icon("chevron"),
			el("span.day-date", dateLong(date)),
		);
		this.highlightsToggle = el(
			"button.quiet.highlights-toggle",
			{ "aria-expanded": "true", "aria-controls": `${id}-highlights`, onclick: () => this.#toggleHighlights() },
			icon("star"),
			el("span", "Highlights"),
		);
		this.review = iconButton("check", "Mark the day reviewed", () => this.#markReviewed(), { class: "review-day" });
		this.head = el("div.day-head", el("h2", this.toggle), this.facts, el("span.day-buttons", this.highlightsToggle, this.review));
		this.body = el("div.day-body", { id, hidden: true });
		this.node = el("section.day", { "data-date": date, "aria-label": dateLong(date) }, this.head, this.body);
	}

	/** row: as /api/days has it. */
	update(row, isOpen) {
		const day = library.loaded.get(this.date);
		const sums = day ?? row;
		const gaps = day ? day.gaps_count : row.gaps;
		const parts = [
			count(day ? day.files_count : row.files, "file"),
			span(sums.duration_s),
			bytes(sums.bytes),
			sums.sections > 0 && count(sums.sections, "section"),
			gaps > 0 && count(gaps, "gap"),
		].filter(Boolean);
		const text = parts.join(" · ");
		if (this.text !== `${text}${sums.to_review}`) {
			this.text = `${text}${sums.to_review}`;
			this.facts.replaceChildren(
				...parts.map((part) => el("span", { class: part.includes("gap") ? "fact gap-fact" : "fact" }, part)),
			);
			if (sums.to_review > 0) this.facts.append(el("span.badge.to-review", `${sums.to_review} to review`));
			else if (sums.sections > 0) this.facts.append(el("span.badge.done", icon("check"), "reviewed"));
		}
		this.node.classList.toggle("open", isOpen);
		this.toggle.setAttribute("aria-expanded", isOpen);
		this.highlightsToggle.hidden = this.review.hidden = !isOpen;
		this.body.hidden = !isOpen;
		const opens = isOpen && !this.isOpen;
		this.isOpen = isOpen;
		if (opens && !day) this.#load();
		else if (isOpen && day && (this.shown !== day || opens || this.#isStale(day))) this.#show(day);
	}

	/** Whether rows or filters differ from what is drawn. */
	#isStale(day) {
		const { q, source, from, to, todo } = get();
		const key = JSON.stringify([
			q,
			source,
			from,
			to,
			todo,
			day.files.map((file) => [file.name, file.version, file.state, file.reviewed, file.locked, file.note, file.uploaded_at, file.sections.length, bookmarksOf(file).length]),
			day.gaps.length,
		]);
		const differs = key !== this.key;
		this.key = key;
		return differs;
	}

	async #load() {
		this.body.replaceChildren(el("div.skeleton", { "aria-hidden": "true" }));
		try {
			await waiting(this.body, "Opening the day…", () => loadDay(this.date));
		} catch (refusal) {
			const again = el("button.quiet", { onclick: () => this.#load() }, "Try again");
			this.body.replaceChildren(el("p.bad", { role: "alert" }, `${refusal.message} `, again));
		}
	}

	#build() {
		this.picture = new DayPicture((at) => this.#playAt(at));
		this.activity = el("div.activity");
		this.chips = new Chips(50, (item) => playQueue(this.queue(), item));
		this.names = el("div.chips-box");
		this.highlights = el(
			"div",
			{ id: `day-${this.date}-highlights`, class: "highlights" },
			this.picture.node,
			this.activity,
			this.chips.node,
			this.names,
		);
		this.list = el("ol.rows", { "aria-label": `Recordings of ${dateLong(this.date)}` });
		this.more = el(
			"button.quiet",
			{ hidden: true, onclick: () => ((this.limit += PAGE), this.#show(this.shown)) },
			"More recordings",
		);
		this.body.replaceChildren(this.highlights, this.list, this.more);
	}

	#show(day) {
		if (!this.list) this.#build();
		this.shown = day;
		this.#isStale(day);
		const files = day.files.filter(matches);
		this.span = spanOf(day.files);
		this.picture.update(day, this.span, files);
		this.activity.replaceChildren(activity(day, this.span, files));
		this.chips.update(queueOf(files));
		showNames(this.names, day.files);
		this.#showRows([...files].reverse());
		if (this.drawn !== day.files.map((file) => file.version).join()) {
			this.drawn = day.files.map((file) => file.version).join();
			this.#loadPicture(day);
		}
	}

	#showRows(files) {
		const shown = files.slice(0, this.limit);
		const wanted = new Set(shown.map((file) => file.name));
		for (const [name, row] of this.rows) {
			if (wanted.has(name)) continue;
			row.gone(!this.shown.files.some((file) => file.name === name));
			if (!this.shown.files.some((file) => file.name === name)) this.rows.delete(name);
		}
		let before = null;
		for (const file of shown) {
			let row = this.rows.get(file.name);
			if (!row) this.rows.set(file.name, (row = new Row(file)));
			row.update(file, this.picture.picture);
			const place = before === null ? this.list.firstChild : before.nextSibling;
			if (row.node !== place) this.list.insertBefore(row.node, place);
			before = row.node;
		}
		this.more.hidden = files.length <= this.limit;
		setText(this.more, `${files.length - this.limit} more recordings`);
	}

	async #loadPicture() {
		try {
			const data = await waiting(this.picture.node, "Drawing the day…", (progress) => api.picture(this.date, { progress }));
			this.picture.show(parsePicture(data));
			for (const row of this.rows.values()) row.drawStrip(this.picture.picture);
		} catch {
			this.picture.show(null);
		}
	}

	queue() {
		return queueOf(this.shown ? this.shown.files.filter(matches) : []);
	}

	/** A tap on the picture: the section there, or the recording at that moment. */
	#playAt(at) {
		const queue = this.queue();
		const slack = (this.span.to - this.span.from) / 250;
		const near = queue.filter((item) => at > item.at - slack && at < item.at + item.section.to_s - item.section.from_s + slack);
		near.sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at));
		if (near.length > 0) return playQueue(queue, near[0]);
		const row = [...this.rows.values()].find(({ file }) => at >= startsAt(file) && at < startsAt(file) + file.duration_s);
		if (row) row.playFrom(at - startsAt(row.file));
		else announce("Nothing was recorded then.");
	}

	#toggleHighlights() {
		const isShown = this.highlights.toggleAttribute("hidden") === false;
		this.highlightsToggle.setAttribute("aria-expanded", isShown);
		if (isShown) this.picture.draw();
	}

	#markReviewed() {
		const files = this.shown.files.filter((file) => !file.reviewed && file.state !== "open" && matches(file));
		if (files.length) each(files, (file) => api.reviewed(file.name, true), "marked reviewed");
		else announce("The day was reviewed already.");
	}
}

/** Seconds since midnight that the pictures of a day cover: its first to its last sound, ten minutes at least. */
function spanOf(files) {
	const from = Math.min(...files.map(startsAt), 86340);
	const to = Math.max(...files.map((file) => startsAt(file) + lengthOf(file)), from + 600);
	return { from, to: Math.min(to, Math.max(86400, from + 600)) };
}
