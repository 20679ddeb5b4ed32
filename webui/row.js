// One recording in the list: when, how long, how much, what stands out, what one can do with it. Its player is made when it is
// opened and not before.
import { urls } from "./api.js";
import { announce, colour, el, fitted, icon, iconButton, redrawn, setText } from "./dom.js";
import { drawMinutes } from "./daypicture.js";
import { bytes, clock, count, extension } from "./format.js";
import { bookmarksOf, fileOf, lengthOf, library, local, startsAt } from "./library.js";
import { foundIn, percent } from "./labels.js";
import { remove, review, undeletable } from "./marks.js";
import { menu } from "./menu.js";
import { Player } from "./player.js";
import { entries } from "./rowmenu.js";
import { isSelected, onSelection, select } from "./selection.js";
import { get, parseRange, set } from "./store.js";

/** Names of what programs found in it, the surest. */
const SHOWN = 2;
const opened = () => get().row.map((entry) => parseRange(entry));
let last = null;
/** The row that one works with: opened last, or the one that has the focus. */
export function currentRow() {
	const focused = document.activeElement?.closest?.(".row");
	return focused?.soundpost ?? (last?.node.isConnected ? last : null);
}

export class Row {
	constructor(file) {
		this.file = file;
		const id = `player-${startsAt(file)}-${file.name.replace(/\W/g, "-")}`;
		this.box = el("input", {
			type: "checkbox",
			class: "pick",
			"aria-label": `Select ${file.name}`,
			onchange: () => select(this.file.name, this.box.checked),
		});
		this.toggle = el(
			"button.toggle",
			{
				"aria-expanded": "false",
				"aria-controls": id,
				"aria-label": `Play ${file.name}`,
				onclick: () => this.open(!this.player, true),
			},
			icon("play"),
			el("span.toggle-word", "Play"),
		);
		this.badges = el("span.badges");
		this.time = el("span.row-time", file.local.endsWith(":00") ? file.local.slice(0, 5) : file.local);
		this.strip = el("canvas.strip", { "aria-hidden": "true" });
		this.length = el("span.row-length");
		this.size = el("span.row-size", el("span"), el("span.format", ` ${extension(file.name)}`));
		this.found = el("span.row-found");
		this.actions = el("span.actions");
		this.panel = el("div.panel", { id, hidden: true });
		this.line = el(
			"div.row-line",
			this.box,
			this.toggle,
			this.time,
			el("span.row-name", { title: file.name }, el("span.name", file.name), this.badges),
			this.strip,
			this.length,
			this.size,
			this.found,
			this.actions,
		);
		this.node = el("li.row", this.line, this.panel);
		this.node.soundpost = this;
		this.stopDrawing = redrawn(this.strip, () => this.drawStrip());
		this.stopSelection = onSelection(() => (this.box.checked = isSelected(this.file.name)));
		this.#makeActions();
		ticking.add(this);
	}

	#makeActions() {
		const { name } = this.file;
		const act = (sign, word, run, more) => iconButton(sign, `${word} ${name}`, run, { ...more, title: word });
		this.cutButton = act("cut", "Cut", () => this.openCut());
		this.reviewed = act("check", "Reviewed", () => review(this.file), { "aria-pressed": "false", class: "mark-reviewed" });
		this.delete = act("trash", "Delete", () => remove(this.file), { class: "delete" });
		const download = el(
			"a.icon-button",
			{ href: urls.download(name), download: "", "aria-label": `Download ${name}`, title: "Download" },
			icon("download"),
		);
		this.menu = menu(`More for ${name}`, () => entries(this));
		this.actions.append(this.cutButton, download, this.reviewed, this.delete, this.menu);
	}

	update(file, strip) {
		this.file = file;
		const isOpen = file.state === "open";
		this.node.classList.toggle("recording", isOpen);
		this.node.classList.toggle("reviewed", file.reviewed);
		this.#showBadges();
		this.showLength();
		setText(this.size.firstChild, bytes(file.bytes));
		setText(
			this.found,
			file.state === "analysed"
				? file.sections.length
					? count(file.sections.length, "section")
					: "quiet"
				: isOpen
					? ""
					: file.trouble
						? "no analysis"
						: "analysing…",
		);
		this.found.classList.toggle("some", file.sections.length > 0);
		this.reviewed.setAttribute("aria-pressed", file.reviewed);
		this.reviewed.disabled = library.status?.read_only ?? false;
		this.cutButton.disabled = isOpen;
		this.cutButton.title = isOpen ? "Cut: once it is closed" : "Cut";
		const why = undeletable(file) ?? (library.status?.read_only ? "The folder is read-only." : null);
		this.delete.disabled = why !== null;
		this.delete.title = why === null ? "Delete" : `Delete: ${why}`;
		this.drawStrip(strip);
		const wanted = opened().find((entry) => entry.name === file.name);
		if (wanted && !this.player) this.open(true, false);
		else if (!wanted && this.player) this.open(false, false);
		else this.player?.update(file);
	}

	#showBadges() {
		const { file } = this;
		const marked = bookmarksOf(file).length,
			found = foundIn([file]);
		const key = `${found.map(({ name, best, count }) => [name, best, count])}${file.uploaded_at}${marked}${file.state}${file.locked}${file.note}${file.trouble}${file.reviewed}${file.gaps.length}`;
		if (key === this.badged) return;
		this.badged = key;
		const badge = (kind, sign, text, title = text) => el("span", { class: `badge ${kind}`, title }, sign && icon(sign), text);
		this.badges.replaceChildren(
			...[
				file.state === "open" && el("span.badge.rec", el("span.dot", { "aria-hidden": "true" }), "REC"),
				file.reviewed && badge("done", "check", "reviewed"),
				file.locked && badge("locked", "lock", "locked"),
				file.gaps.length > 0 && badge("gapped", null, count(file.gaps.length, "gap")),
				marked > 0 && badge("marked", "keep", count(marked, "mark")),
				file.uploaded_at && badge("done", "check", "uploaded", `Uploaded ${local(file.uploaded_at)}`),
				file.trouble && badge("bad", "warn", "trouble", file.trouble),
				...found.slice(0, SHOWN).map((one) =>
					el(
						"button.badge.label",
						{ title: `${one.name}, ${count(one.count, "time")}`, onclick: () => this.playFrom(one.from_s) },
						el("span.unseen", "Play "),
						`${one.name} ${percent(one)}`,
					),
				),
				found.length > SHOWN && badge("more", null, `${found.length - SHOWN} more`),
				file.note && badge("noted", "note", file.note),
			].filter(Boolean),
		);
	}

	showLength() {
		setText(this.length, clock(lengthOf(this.file)));
	}

	/** strip: the day's picture, if it is here; sections are ticks over it. */
	drawStrip(strip = this.pictured) {
		this.pictured = strip;
		if (this.strip.clientWidth === 0 || this.file.state === "open") return;
		const from = startsAt(this.file),
			length = Math.max(this.file.duration_s, 1);
		fitted(this.strip);
		if (strip?.ink) drawMinutes(this.strip, strip, from / 60, (from + length) / 60);
		const { width, height } = { width: this.strip.clientWidth, height: this.strip.clientHeight };
		const context = this.strip.getContext("2d");
		context.fillStyle = colour("section-bright");
		for (const section of this.file.sections) {
			context.fillRect(
				(section.from_s / length) * width,
				height - 5,
				Math.max(1.5, ((section.to_s - section.from_s) / length) * width),
				5,
			);
		}
	}

	/** Opens or closes the player. byHand: somebody asked here, so the address and the focus follow. */
	open(wanted, byHand) {
		if (wanted === Boolean(this.player)) return;
		this.toggle.setAttribute("aria-expanded", wanted);
		this.panel.hidden = !wanted;
		this.node.classList.toggle("opened", wanted);
		if (byHand)
			set({
				row: wanted ? [...get().row, this.file.name] : get().row.filter((entry) => parseRange(entry).name !== this.file.name),
			});
		if (!wanted) {
			this.player.gone();
			this.player = null;
			this.panel.replaceChildren();
			return;
		}
		last = this;
		this.player = new Player(
			this.file,
			opened().find((entry) => entry.name === this.file.name),
		);
		this.panel.replaceChildren(this.player.node);
		this.player.begin();
	}

	openCut() {
		if (this.file.state === "open") return announce("A recording can be cut once it is closed.");
		this.open(true, true);
		this.player.showCut();
	}

	playFrom(second) {
		this.open(true, true);
		this.node.scrollIntoView({ block: "nearest" });
		this.player.playFrom(second);
	}

	/** Out of the list. Deleted: who stood on it is put on its neighbour. */
	gone(isDeleted) {
		const hadFocus = this.node.contains(document.activeElement);
		const neighbour = this.node.nextElementSibling ?? this.node.previousElementSibling;
		this.node.remove();
		if (!isDeleted) return;
		ticking.delete(this);
		this.stopDrawing();
		this.stopSelection();
		select(this.file.name, false);
		if (this.player) this.open(false, true);
		if (hadFocus) (neighbour?.querySelector(".toggle") ?? document.getElementById("main")).focus();
	}
}

/** Rows whose length grows: their text follows the clock, nothing else moves. */
const ticking = new Set();
setInterval(() => {
	for (const row of ticking) if (row.file.state === "open" && row.node.isConnected) row.showLength();
}, 1000);

export const rowOf = (name) =>
	[...document.querySelectorAll(".row")].map((node) => node.soundpost).find((row) => row.file.name === name && fileOf(name));
