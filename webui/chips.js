// Sections as chips: the fifty that stand out most, loudest first. They are where one looks first; J and K still step through all
// of them in time order.
import { el, setText } from "./dom.js";
import { band, clock, count, timeOfDay } from "./format.js";
import { keyOf, onClip } from "./clipbar.js";

/** Over the floor; a rim marks it. */
const STRONG_DB = 25;

export class Chips {
	/** limit: how many are shown; onPick(item): one was chosen; inFile: times from the file's start, in time order. */
	constructor(limit, onPick, inFile = false) {
		Object.assign(this, { limit, onPick, inFile, nodes: new Map() });
		this.list = el("ol.chips");
		this.words = el("p.chips-words.dim");
		this.node = el("div.chips-box", this.list, this.words);
		this.stop = onClip((item) => this.#mark(item));
	}

	/** queue: all sections in time order. */
	update(queue) {
		const best = [...queue].sort((a, b) => b.section.score_db - a.section.score_db).slice(0, this.limit);
		const shown = this.inFile ? queue.filter((item) => best.includes(item)) : best;
		const nodes = shown.map((item) => this.#chip(item));
		this.nodes = new Map(nodes.map((node, at) => [keyOf(shown[at]), node]));
		this.list.replaceChildren(...nodes.map((node) => el("li", node)));
		this.list.hidden = shown.length === 0;
		setText(this.words, words(queue.length, shown.length, this.inFile));
		this.#mark(onClip.current());
	}

	#chip(item) {
		const { section, file, at } = item;
		const time = this.inFile ? clock(section.from_s) : timeOfDay(at);
		const range = band(section.f_lo_hz, section.f_hi_hz);
		return el(
			"button",
			{
				class: `chip${section.score_db >= STRONG_DB ? " strong" : ""}${file.reviewed ? " seen" : ""}`,
				onclick: () => this.onPick(item),
			},
			el("span.unseen", "Play "),
			el("span.chip-time", time),
			el("span.chip-score", `${section.score_db.toFixed(0)} dB`),
			range ? el("span.chip-band", range) : null,
		);
	}

	#mark(item) {
		const key = item ? keyOf(item) : null;
		for (const [own, node] of this.nodes) {
			if (own === key) node.setAttribute("aria-current", "true");
			else node.removeAttribute("aria-current");
		}
	}
}

function words(all, shown, inFile) {
	if (all === 0) return "Nothing stood out from the background. A smaller margin finds fainter sounds.";
	if (inFile) return shown < all ? `The ${shown} strongest of ${all}; J and K step through all.` : "";
	return shown < all
		? `The ${shown} strongest of ${all} sections. J and K, or the buttons of the bar, step through all of them in time order.`
		: `${count(all, "section")}, strongest first. J and K, or the buttons of the bar, step through them in time order.`;
}
