// The pictures of one recording over each other, with their tools: what part is seen, how it is drawn, and what one does with a range
// that was selected in them.
import { propose } from "./cut.js";
import { after, el, icon, iconButton, setText } from "./dom.js";
import { band, clock, count } from "./format.js";
import { lengthOf } from "./library.js";
import { NAMES } from "./palette.js";
import { Spectrogram } from "./spectrogram.js";
import { formatRange, get, parseRange, recall, remember, set } from "./store.js";
import { Waveform } from "./waveform.js";
import { Zoom } from "./zoom.js";

export class Pictures {
	/**
	 * linked: {from, to} that they show at first, from the address.
	 * acts: {seek(second), position(): second, play(range), cut()}.
	 */
	constructor(file, linked, acts) {
		Object.assign(this, { file, acts });
		this.zoom = new Zoom(lengthOf(file));
		this.spectrogram = new Spectrogram(file, this.zoom, { seek: acts.seek, select: (chosen) => this.#selected(chosen) });
		this.waveform = new Waveform(file, this.zoom, acts);
		const below = [this.spectrogram, this.waveform].map(({ node }) => node);
		this.heads = below.map((node) => node.appendChild(el("div.playhead")));
		this.node = el("div.pictures", this.#tools(), this.#selectionBar(), ...below, this.#scroll());
		if (linked?.to > linked?.from) this.zoom.set(linked.from, linked.to);
		this.zoom.on(() => this.showHeads());
		this.zoom.on(after(300, () => this.#rememberZoom()));
	}

	show(profile) {
		this.spectrogram.show(profile);
		this.waveform.show(profile);
	}

	/** sections: as they are now; before: how many there were by the recorder's own settings, if these are others. */
	mark(sections, before) {
		this.spectrogram.mark(sections);
		this.waveform.mark(sections);
		setText(this.summary, `${before === null ? "" : `${before} → `}${count(sections.length, "section")}`);
	}

	/** It grew while it was recorded, and now is whole. */
	renew(file) {
		this.file = this.spectrogram.file = this.waveform.file = file;
		this.zoom.length = lengthOf(file);
		this.zoom.whole();
		this.node.hidden = false;
	}

	showHeads() {
		const part = (this.acts.position() - this.zoom.from) / this.zoom.width;
		for (const head of this.heads) {
			head.hidden = part < 0 || part > 1;
			head.style.transform = `translateX(${part * head.parentNode.clientWidth}px)`;
		}
	}

	#tools() {
		const choice = (key, label, values) => {
			const select = el("select", { "aria-label": label }, ...values.map((value) => el("option", { value }, value)));
			select.value = recall(key, values[0]);
			select.addEventListener("change", () => (remember(key, select.value), redraw()));
			return select;
		};
		// Pictures of days and strips follow too.
		const redraw = () => document.dispatchEvent(new Event("themechange"));
		const even = el("input", { type: "checkbox" });
		even.checked = recall("even", false);
		even.addEventListener("change", () => (remember("even", even.checked), redraw()));
		this.summary = el("output.found-words", { "aria-live": "polite" });
		return el(
			"div.tools",
			iconButton("plus", "Zoom in", () => this.zoom.by(0.5, this.#middle())),
			iconButton("minus", "Zoom out", () => this.zoom.by(2, this.#middle())),
			iconButton("fit", "Show the whole recording", () => this.zoom.whole()),
			choice("scale", "Frequency axis", ["log", "linear"]),
			choice("palette", "Colours", NAMES),
			el("label.check", { title: "Takes out what is there all the time: what comes and goes is left" }, even, "even out"),
			this.summary,
		);
	}

	/** Zooming keeps the selection or the playhead in sight. */
	#middle() {
		const { chosen } = this.spectrogram,
			{ from, to } = this.zoom;
		const at = chosen ? (chosen.from + chosen.to) / 2 : this.acts.position();
		return at > from && at < to ? at : (from + to) / 2;
	}

	#selectionBar() {
		this.chosenWords = el("span.chosen-words");
		const act = (sign, text, run) => el("button", { onclick: run }, icon(sign), text);
		const chosen = () => this.spectrogram.chosen;
		this.chosenBar = el(
			"div.chosen",
			{ role: "group", "aria-label": "Selection", hidden: true },
			this.chosenWords,
			act("play", "Play", () => this.acts.play(chosen())),
			act("plus", "Zoom", () => this.zoom.set(chosen().from, chosen().to)),
			act("cut", "Cut", () => (propose(this.file.name, chosen().from, chosen().to), this.acts.cut())),
			iconButton("close", "Clear the selection", () => this.spectrogram.choose(null, true)),
		);
		return this.chosenBar;
	}

	#selected(chosen) {
		this.chosenBar.hidden = !chosen;
		if (!chosen) return;
		setText(
			this.chosenWords,
			`${clock(chosen.from, true)} – ${clock(chosen.to, true)} · ${(chosen.to - chosen.from).toFixed(1)} s · ${band(chosen.lo, chosen.hi)}`,
		);
		propose(this.file.name, chosen.from, chosen.to);
	}

	#scroll() {
		const bar = el("input", {
			type: "range",
			class: "scroll",
			min: "0",
			max: "1",
			step: "any",
			value: "0.5",
			"aria-label": "Part of the recording that is shown",
		});
		const show = () => {
			bar.hidden = this.zoom.isWhole;
			const room = this.zoom.length - this.zoom.width;
			bar.value = room > 0 ? this.zoom.from / room : 0;
			bar.setAttribute("aria-valuetext", `${clock(this.zoom.from)} to ${clock(this.zoom.to)}`);
		};
		bar.addEventListener("input", () => this.zoom.pan(Number(bar.value) * (this.zoom.length - this.zoom.width) - this.zoom.from));
		this.zoom.on(show);
		show();
		return bar;
	}

	/** Only while it is in the page: a player that was closed says nothing more. */
	#rememberZoom() {
		if (!this.node.isConnected) return;
		const entry = this.zoom.isWhole ? this.file.name : formatRange(this.file.name, this.zoom.from, this.zoom.to);
		set({ row: get().row.map((known) => (parseRange(known).name === this.file.name ? entry : known)) });
	}
}
