// What the bar at the foot looks like: the picture of the clip with its playhead, what it is, and the knobs. What it does is in
// clipbar.js.
import { api } from "./api.js";
import { save } from "./cut.js";
import { el, fitted, icon, iconButton, setText } from "./dom.js";
import { band, clock, timeOfDay } from "./format.js";
import { review } from "./marks.js";
import { fileOf } from "./library.js";
import { ink } from "./palette.js";
import { parseSpectrogram } from "./spectrogram.js";
import * as sound from "./sound.js";
import { recall, remember } from "./store.js";

/** acts: what clipbar.js does; answers {show(item, audio), hide(), trouble(sentence)}. */
export function buildBar(acts) {
	const place = document.getElementById("bar");
	let item = null,
		audio = null;
	const play = iconButton("play", "Play", acts.toggle, { class: "round play" });
	const title = el("span.clip-title"),
		detail = el("span.clip-detail.dim");
	const words = el("div.clip-words", { "aria-live": "polite" }, title, detail);
	const canvas = el("canvas", { "aria-hidden": "true" });
	const head = el("div.playhead"),
		lead = el("div.lead");
	const slider = el("input", {
		type: "range",
		min: "0",
		max: "1",
		step: "any",
		value: "0",
		"aria-label": "Position in the clip",
		oninput: () => acts.seekTo(Number(slider.value)),
	});
	const time = el("output.clip-time");
	const auto = el("input", { type: "checkbox", id: "auto" });
	auto.checked = recall("auto", true);
	auto.addEventListener("change", () => remember("auto", auto.checked));
	const rate = el(
		"select",
		{ "aria-label": "Speed" },
		...[0.1, 0.25, 0.5, 1, 1.5, 2].map((value) => el("option", { value }, `${value}×`)),
	);
	rate.value = recall("rate", 1);
	rate.addEventListener("change", () => {
		remember("rate", Number(rate.value));
		if (audio) audio.playbackRate = Number(rate.value);
	});
	const gain = el("input", { type: "range", min: "0", max: "36", step: "3", value: "0", "aria-label": "Gain in dB" });
	const gainText = el("output", "0 dB");
	gain.addEventListener("input", () => {
		setText(gainText, `${gain.value} dB`);
		gain.setAttribute("aria-valuetext", `${gain.value} dB`);
		sound.shape({ gain_db: Number(gain.value) });
	});
	const highpass = el("input", { type: "checkbox" });
	highpass.addEventListener("change", () => sound.shape({ highpass_hz: highpass.checked ? 300 : 0 }));
	const reviewed = iconButton("check", "Reviewed (R)", () => item && review(fileOf(item.file.name) ?? item.file));
	const keep = iconButton("download", "Download this clip (C)", () => download(), { class: "keep" });
	const knobs = el(
		"div.knobs",
		{ id: "knobs" },
		el("label.check", auto, "auto"),
		rate,
		el("label.slider", el("span", "gain"), gain, gainText),
		el("label.check", highpass, "high-pass"),
		el("button.quiet.open-in-file", { onclick: acts.openInFile }, icon("open"), "Open in file"),
		reviewed,
		keep,
	);
	const fold = iconButton("more", "More controls", () => fold.setAttribute("aria-expanded", place.classList.toggle("unfolded")), {
		class: "fold",
		"aria-expanded": "false",
		"aria-controls": "knobs",
	});
	place.append(
		el(
			"div.steps",
			iconButton("previous", "Previous section (K)", () => acts.step(-1)),
			play,
			iconButton("next", "Next section (J)", () => acts.step(1)),
		),
		words,
		el("div.clip-picture", canvas, lead, head, slider),
		time,
		knobs,
		fold,
		iconButton("close", "Close the player", acts.close, { class: "close" }),
	);

	function download() {
		const stem = item.file.name
			.split("/")
			.pop()
			.replace(/\.[^.]+$/, "");
		save(acts.urlOf(item), `${stem}_${clock(item.section.from_s).replaceAll(":", "-")}.wav`);
	}

	function follow() {
		if (!audio) return;
		const { from, to } = acts.rangeOf(item),
			length = Number.isFinite(audio.duration) ? audio.duration : to - from,
			at = audio.currentTime;
		slider.max = length;
		slider.value = at;
		const since = at - (item.section.from_s - from);
		setText(time, `${since < 0 ? "−" : "+"}${Math.abs(since).toFixed(1)} s`);
		slider.setAttribute("aria-valuetext", `${at.toFixed(1)} of ${length.toFixed(1)} seconds`);
		head.style.transform = `translateX(${(at / length) * canvas.clientWidth}px)`;
		if (!audio.paused) requestAnimationFrame(follow);
	}

	for (const one of acts.elements) {
		for (const kind of ["play", "pause", "ended", "seeked", "loadedmetadata", "timeupdate"]) {
			one.addEventListener(kind, () => {
				if (!acts.isCurrent(one)) return;
				const label = one.paused ? "Play" : "Pause";
				if (play.getAttribute("aria-label") !== label) {
					play.replaceChildren(icon(one.paused ? "play" : "pause"));
					play.setAttribute("aria-label", label);
				}
				follow();
			});
		}
		one.addEventListener("waiting", () => place.classList.add("buffering"));
		one.addEventListener("playing", () => place.classList.remove("buffering"));
	}

	let asked = 0;
	async function draw() {
		const mine = (asked += 1),
			{ from, to } = acts.rangeOf(item);
		fitted(canvas);
		lead.style.width = `${((item.section.from_s - from) / (to - from)) * 100}%`;
		if (to - from > 60 || item.file.state === "open" || canvas.clientWidth === 0) return;
		const columns = Math.min(canvas.width, 800);
		const buffer = await api
			.spectrogram(item.file.name, { from: from.toFixed(3), to: to.toFixed(3), columns, bands: 96 })
			.catch(() => null);
		if (mine !== asked || !buffer) return;
		const { cells, bands, columns: width } = parseSpectrogram(buffer),
			{ table } = ink(cells, bands, recall("palette", "ember"), false);
		const image = new ImageData(width, bands),
			pixels = new Uint32Array(image.data.buffer);
		for (let x = 0; x < width; x++)
			for (let b = 0; b < bands; b++) pixels[(bands - 1 - b) * width + x] = table[cells[x * bands + b]];
		const picture = await createImageBitmap(image);
		const { context, width: w, height: h } = fitted(canvas);
		context.drawImage(picture, 0, 0, w, h);
	}

	return {
		show(next, element) {
			[item, audio] = [next, element];
			place.hidden = false;
			place.classList.remove("buffering");
			const { section, file } = item;
			setText(title, `${timeOfDay(item.at)}${section.score_db == null ? "" : ` · ${section.score_db.toFixed(0)} dB`}`);
			setText(
				detail,
				[band(section.f_lo_hz, section.f_hi_hz), `${(section.to_s - section.from_s).toFixed(1)} s`, file.name]
					.filter(Boolean)
					.join(" · "),
			);
			detail.classList.remove("bad");
			draw();
			follow();
		},
		hide() {
			place.hidden = true;
			[item, audio] = [null, null];
		},
		trouble(sentence) {
			setText(detail, sentence);
			detail.classList.add("bad");
		},
	};
}
