// Cutting: from and to, typed as m:ss or h:mm:ss, filled by a chip, a selection or the playhead. A cut keeps the file's own bytes; a
// clip is decoded to WAV. Only the panel; the recorder does the cutting.
import { api, urls } from "./api.js";
import { el, icon, unique } from "./dom.js";
import { clock, parseClock } from "./format.js";
import { lengthOf } from "./library.js";

/** name -> {from, to}: what was last listened to or chosen, for a panel that is opened later. */
const proposed = new Map();
const panels = new Map();

/** Every chip that is played fills the panel of its file. */
export function propose(name, from, to) {
	proposed.set(name, { from, to });
	panels.get(name)?.fill(from, to);
}

export class Cut {
	/** position(): second at which the player stands. */
	constructor(file, position) {
		this.file = file;
		const id = unique("cut");
		const input = (which, words) => {
			const field = el("input", {
				id: `${id}-${which}`,
				class: "time",
				inputmode: "text",
				autocomplete: "off",
				placeholder: "m:ss",
				"aria-describedby": `${id}-trouble`,
				oninput: () => this.check(),
			});
			const here = el(
				"button.quiet",
				{ title: "Where the player stands", onclick: () => ((field.value = clock(position(), true)), this.check()) },
				"now",
				el("span.unseen", ` as ${words}`),
			);
			return [field, el("span.field-row", el("label", { for: field.id }, words), field, here)];
		};
		const [from, fromField] = input("from", "from"),
			[to, toField] = input("to", "to");
		Object.assign(this, { from, to });
		this.trouble = el("p", { id: `${id}-trouble`, class: "cut-words", role: "status" });
		this.cut = el("button.primary", { onclick: () => this.#download("cut") }, icon("download"), "Download cut");
		this.clip = el("button", { onclick: () => this.#download("clip") }, icon("download"), "as WAV");
		this.node = el(
			"div.cut",
			{ role: "group", "aria-label": `Cut ${file.name}` },
			el("span.cut-title", icon("cut"), "Cut"),
			fromField,
			toField,
			this.cut,
			this.clip,
			this.trouble,
		);
		panels.set(file.name, this);
		const known = proposed.get(file.name);
		if (known) this.fill(known.from, known.to);
		else this.check();
	}

	gone() {
		if (panels.get(this.file.name) === this) panels.delete(this.file.name);
	}

	fill(from, to) {
		this.from.value = clock(from, from % 1 > 0.04);
		this.to.value = clock(to, to % 1 > 0.04);
		this.check();
	}

	/** {from, to}, or null with the reason on the page. */
	check() {
		const from = parseClock(this.from.value),
			to = parseClock(this.to.value),
			length = lengthOf(this.file);
		const isEmpty = this.from.value === "" && this.to.value === "";
		let reason = "";
		if (from === null || to === null) reason = "Times are typed as m:ss or h:mm:ss.";
		else if (to <= from) reason = "The end comes after the beginning.";
		else if (from >= length) reason = `The recording is ${clock(length)} long.`;
		this.from.setAttribute("aria-invalid", !isEmpty && (from === null || from >= length));
		this.to.setAttribute("aria-invalid", !isEmpty && (to === null || (from !== null && to <= from)));
		this.trouble.classList.toggle("bad", reason !== "" && !isEmpty);
		this.cut.disabled = this.clip.disabled = reason !== "";
		const end = Math.min(to ?? 0, length);
		this.trouble.textContent =
			reason ||
			`${clock(end - from, true)} of sound. The cut keeps the original bytes and begins at the frame that holds ${clock(from, true)}.`;
		return reason ? null : { from, to: end };
	}

	/** Asked for by HEAD first, so that a refusal is a sentence here and not a broken download. */
	async #download(kind) {
		const range = this.check();
		if (!range) return;
		const url = kind === "cut" ? urls.cut(this.file.name, range.from, range.to) : urls.clip(this.file, range.from, range.to);
		try {
			const answer = await api.head(url);
			const [from, to] = ["X-Soundpost-From", "X-Soundpost-To"].map((name) => Number(answer.headers.get(name)));
			if (to > from) this.trouble.textContent = `Downloading ${clock(from, true)} to ${clock(to, true)}.`;
			const stem = this.file.name
				.split("/")
				.pop()
				.replace(/\.[^.]+$/, "");
			const suffix = kind === "cut" ? this.file.name.split(".").pop() : "wav";
			save(url, `${stem}_${clock(range.from).replaceAll(":", "-")}.${suffix}`);
		} catch (refusal) {
			this.trouble.classList.add("bad");
			this.trouble.textContent = refusal.message;
		}
	}
}

/** Gives the browser something to keep. */
export function save(url, name) {
	const link = el("a", { href: url, download: name });
	document.body.append(link);
	link.click();
	link.remove();
}
