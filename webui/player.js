// The player of one recording: sound, spectrogram, level, sections, cut. The sound is loaded lazily and seeks by ranges; its length is
// known from its metadata before anybody presses play. A recording that grows is loaded anew each time its player is opened.
import { api, urls } from "./api.js";
import { Chips } from "./chips.js";
import { playQueue } from "./clipbar.js";
import { Cut } from "./cut.js";
import { sections } from "./detect.js";
import { announce, el, facts, setText, waiting } from "./dom.js";
import { clamp, clock as time, count, hz } from "./format.js";
import { listOf } from "./labels.js";
import { bookmarksOf, detection, lengthOf, library, local, queueOf, startsAt } from "./library.js";
import { Pictures } from "./pictures.js";
import { Profile } from "./profile.js";
import * as sound from "./sound.js";
import { get, on as onState } from "./store.js";
import { Transport } from "./transport.js";

const players = new Set();
// Sliders: every open player whose profile is here answers at once, by itself.
onState("margin gap detector", () => players.forEach((player) => player.remark()));

export class Player {
	/** linked: {from, to} that its pictures show at first, from the address. */
	constructor(file, linked) {
		this.file = file;
		this.audio = sound.claimed();
		this.pictures = new Pictures(file, linked, {
			seek: (second) => this.seek(second),
			position: () => this.audio.currentTime,
			play: (chosen) => this.#playChosen(chosen),
			cut: () => this.showCut(),
		});
		this.chips = new Chips(50, (item) => playQueue(() => this.queue(), item), true);
		this.labels = el("div.chips-box");
		this.cut = file.state === "open" ? null : new Cut(file, () => this.audio.currentTime);
		this.trouble = el("p.player-trouble", { role: "status" });
		this.transport = new Transport(this.audio, file, {
			seek: (second) => this.seek(second, false),
			load: () => this.load(),
			moved: () => this.pictures.showHeads(),
			failed: (why) => setText(this.trouble, why),
		});
		this.facts = el("dl.facts");
		this.node = el(
			"div.player",
			this.transport.node,
			this.trouble,
			this.pictures.node,
			this.chips.node,
			this.labels,
			this.cut?.node,
			this.facts,
		);
		players.add(this);
	}

	begin() {
		this.load();
		this.#showFacts();
		this.#loadLabels();
		this.remark();
		if (this.file.state === "analysed") this.#loadProfile();
		else this.pictures.node.hidden = true;
	}

	load() {
		const at = this.audio.currentTime;
		this.transport.fresh.hidden = true;
		this.audio.preload = "metadata";
		this.audio.src = urls.stream(this.file, Date.now());
		if (at > 0) this.audio.currentTime = at;
		setText(this.trouble, "");
	}

	async #loadProfile() {
		try {
			const bytes = await waiting(this.pictures.spectrogram.node, "Loading the picture…", (progress) =>
				api.profile(this.file, { progress }),
			);
			this.profile = new Profile(bytes);
			this.pictures.show(this.profile);
			this.remark();
		} catch (refusal) {
			setText(this.trouble, refusal.message);
			this.pictures.node.hidden = true;
		}
	}

	/** What other programs found; most recordings have nothing of it, and nothing is asked for. */
	async #loadLabels() {
		if (!this.file.details?.labels) return;
		const { labels } = await api.analysis(this.file).catch(() => ({ labels: [] }));
		this.pictures.spectrogram.markLabels(labels);
		this.labels.replaceChildren(...listOf(labels, (second) => this.playFrom(second)));
	}

	/** The list has news of the file. */
	update(file) {
		const before = this.file;
		this.file = file;
		if (before.state === "open" && file.state !== "open") {
			if (!this.cut) this.labels.after((this.cut = new Cut(file, () => this.audio.currentTime)).node);
		}
		if (before.version !== file.version && file.state === "analysed" && before.state !== "analysed") {
			this.pictures.renew(file);
			this.#loadProfile();
		}
		if (file.state === "open" || before.state === "open")
			this.transport.fresh.hidden = !(lengthOf(file) > this.audio.duration + 2);
		this.pictures.spectrogram.file = file;
		if (before.version !== file.version) this.#loadLabels();
		this.#showFacts();
		this.remark();
	}

	/** Sections as the sliders say: from the profile if it is here, else as the recorder told. */
	remark() {
		const found = this.profile ? sections(this.profile, detection()) : this.file.sections;
		this.found = found;
		this.chips.update(this.queue());
		const own = (this.own ??= this.file.sections.length);
		const { margin, gap, detector } = get();
		this.pictures.mark(found, margin + gap + detector === "" ? null : own);
	}

	#playChosen({ from, to, lo, hi }) {
		const section = { from_s: from, to_s: to, score_db: null, f_lo_hz: lo, f_hi_hz: hi };
		playQueue(() => this.queue(), { file: this.file, section, at: startsAt(this.file) + from, exact: true });
	}

	queue() {
		return queueOf([{ ...this.file, sections: this.found ?? this.file.sections }]);
	}

	seek(second, andPlay = true) {
		this.audio.currentTime = clamp(second, 0, Math.max(0, (this.audio.duration || Infinity) - 0.05));
		this.transport.showPosition();
		if (andPlay) sound.play(this.audio);
	}

	playFrom(second, width = 20) {
		if (this.profile || this.file.state === "analysed") this.pictures.zoom.set(second - width / 2, second + width / 2);
		const go = () => this.seek(second);
		if (this.audio.readyState >= 1) go();
		else this.audio.addEventListener("loadedmetadata", go, { once: true });
	}

	showCut() {
		if (!this.cut) return announce("A recording can be cut once it is closed.");
		if (this.cut.from.value === "" && this.audio.currentTime > 0)
			this.cut.fill(this.audio.currentTime, Math.min(this.audio.currentTime + 10, lengthOf(this.file)));
		this.cut.node.classList.add("wanted");
		this.cut.node.scrollIntoView({ block: "nearest" });
		this.cut.from.focus();
	}

	#showFacts() {
		const { file } = this,
			{ quality = {}, end_reason, clock: clockState, recovered } = file.details ?? {};
		const rows = [
			["File", file.name],
			["Source", file.source],
			["Sound", [file.rate_hz && hz(file.rate_hz), file.channels && count(file.channels, "channel")].filter(Boolean).join(", ")],
			["Peak", quality.peak > 0 && `${(20 * Math.log10(quality.peak)).toFixed(1).replace("-", "−")} dBFS`],
			["Clipped", quality.clipped_samples > 0 && count(quality.clipped_samples, "sample")],
			["Ended by", end_reason],
			["Clock", clockState],
			["Recovered", recovered && "after a power cut"],
			...bookmarksOf(file).map((mark) => ["Marked", `${time(mark.from_s)}–${time(mark.to_s)}, kept as ${mark.clip}${mark.note && `: ${mark.note}`}`]),
			...(file.details?.mark?.of ?? []).map((part) => ["Kept from", part.file]),
			["Uploaded", file.uploaded_at ? local(file.uploaded_at) : library.status?.uploads?.length && file.state !== "open" && "not yet"],
			["Note", file.note],
			["Trouble", file.trouble],
		];
		const shown = facts("dl.facts", rows);
		this.facts.replaceWith(shown);
		this.facts = shown;
	}

	gone() {
		players.delete(this);
		this.chips.stop();
		this.cut?.gone();
		this.audio.pause();
		this.audio.removeAttribute("src");
		this.audio.load();
	}
}
