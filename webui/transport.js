// The strip over a player: play and pause, where it stands, how long it is. The length is the metadata's, and known before one plays.
import { el, icon, iconButton, setText } from "./dom.js";
import { clock } from "./format.js";
import { lengthOf } from "./library.js";
import * as sound from "./sound.js";

export class Transport {
	/** acts: {seek(second), load(), moved(), failed(sentence)}. */
	constructor(audio, file, acts) {
		Object.assign(this, { audio, file, acts });
		this.button = iconButton("play", "Play", () => sound.toggle(audio), { class: "round play" });
		this.position = el("output.position", "0:00");
		this.length = el("output.length", clock(lengthOf(file)));
		this.slider = el("input", {
			type: "range",
			min: "0",
			max: "1",
			step: "any",
			value: "0",
			"aria-label": `Position in ${file.name}`,
			oninput: () => acts.seek(Number(this.slider.value)),
		});
		this.fresh = el("button.quiet", { hidden: true, onclick: acts.load }, "Load newer sound");
		this.node = el("div.transport", this.button, this.position, this.slider, this.length, this.fresh);
		for (const kind of ["loadedmetadata", "durationchange"]) audio.addEventListener(kind, () => this.#showLength());
		for (const kind of ["play", "pause", "ended"]) audio.addEventListener(kind, () => this.#showState());
		for (const kind of ["timeupdate", "seeked"]) audio.addEventListener(kind, () => this.showPosition());
		audio.addEventListener("waiting", () => this.node.classList.add("buffering"));
		for (const kind of ["playing", "pause", "canplay"])
			audio.addEventListener(kind, () => this.node.classList.remove("buffering"));
		audio.addEventListener("error", () => audio.getAttribute("src") && acts.failed(this.#why()));
	}

	#why() {
		return this.audio.error?.code === MediaError.MEDIA_ERR_NETWORK
			? "The connection was lost; press play to go on."
			: "This browser cannot play this format as it is. The sections below play all the same, and so does a clip of any selection.";
	}

	#showLength() {
		const { duration } = this.audio;
		const length = Number.isFinite(duration) ? duration : lengthOf(this.file);
		setText(this.length, clock(length));
		this.slider.max = length;
		this.showPosition();
	}

	#showState() {
		const isPlaying = !this.audio.paused;
		const label = isPlaying ? "Pause" : "Play";
		this.button.replaceChildren(icon(isPlaying ? "pause" : "play"));
		this.button.setAttribute("aria-label", label);
		this.button.title = label;
		const follow = () => {
			this.showPosition();
			if (!this.audio.paused && this.node.isConnected) requestAnimationFrame(follow);
		};
		if (isPlaying) follow();
	}

	showPosition() {
		const at = this.audio.currentTime;
		setText(this.position, clock(at));
		if (document.activeElement !== this.slider || !this.audio.paused) this.slider.value = at;
		this.slider.setAttribute("aria-valuetext", `${clock(at)} of ${this.length.textContent}`);
		this.acts.moved();
	}
}
