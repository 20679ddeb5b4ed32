// The player of one recording: sound, spectrogram, level, sections, cut. The sound is loaded lazily and seeks by ranges; its length is
// known from its metadata before anybody presses play. A recording that grows is loaded anew each time its player is opened.
import { api, urls } from "./api.js";
import { Chips } from "./chips.js";
import { playQueue } from "./clipbar.js";
import { Cut, propose } from "./cut.js";
import { sections } from "./detect.js";
import { after, announce, el, icon, iconButton, setText, waiting } from "./dom.js";
import { band, clock, count, hz } from "./format.js";
import { detection, lengthOf, queueOf, startsAt } from "./library.js";
import { NAMES } from "./palette.js";
import { Profile } from "./profile.js";
import * as sound from "./sound.js";
import { Spectrogram } from "./spectrogram.js";
import { formatRange, get, on as onState, parseRange, recall, remember, set } from "./store.js";
import { Waveform } from "./waveform.js";
import { Zoom } from "./zoom.js";

const players = new Set();
// Sliders: every open player whose profile is here answers at once, by itself.
onState("margin gap detector", () => players.forEach((player) => player.remark()));

export class Player {
  /** linked: {from, to} that its pictures show at first, from the address. */
  constructor(file, linked) {
    this.file = file;
    this.audio = sound.claimed();
    this.zoom = new Zoom(lengthOf(file));
    const acts = { seek: (second) => this.seek(second), select: (chosen) => this.#selected(chosen) };
    this.spectrogram = new Spectrogram(file, this.zoom, acts);
    this.waveform = new Waveform(file, this.zoom, acts);
    this.chips = new Chips(50, (item) => playQueue(() => this.queue(), item), true);
    this.cut = file.state === "open" ? null : new Cut(file, () => this.audio.currentTime);
    this.heads = [this.spectrogram, this.waveform].map(({ node }) => node.appendChild(el("div", { class: "playhead" })));
    this.trouble = el("p", { class: "player-trouble", role: "status" });
    this.pictures = el("div", { class: "pictures" }, this.#tools(), this.#selectionBar(), this.spectrogram.node, this.waveform.node, this.#scroll());
    this.facts = el("dl", { class: "facts" });
    this.node = el("div", { class: "player" }, this.#transport(), this.trouble, this.pictures, this.chips.node, this.cut?.node, this.facts);
    if (linked?.to > linked?.from) this.zoom.set(linked.from, linked.to);
    this.zoom.on(after(300, () => this.#rememberZoom()));
    players.add(this);
  }

  #transport() {
    this.button = iconButton("play", "Play", () => sound.toggle(this.audio), { class: "icon-button round play" });
    this.position = el("output", { class: "position" }, "0:00");
    this.length = el("output", { class: "length" }, "–:––");
    this.slider = el("input", { type: "range", min: "0", max: "1", step: "any", value: "0", "aria-label": `Position in ${this.file.name}`, oninput: () => this.seek(Number(this.slider.value), false) });
    this.fresh = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.load() }, "Load newer sound");
    const { audio } = this;
    audio.addEventListener("loadedmetadata", () => this.#showLength());
    audio.addEventListener("durationchange", () => this.#showLength());
    for (const kind of ["play", "pause", "ended"]) audio.addEventListener(kind, () => this.#showState());
    for (const kind of ["timeupdate", "seeked"]) audio.addEventListener(kind, () => this.#showPosition());
    audio.addEventListener("waiting", () => this.node.classList.add("buffering"));
    for (const kind of ["playing", "pause", "canplay"]) audio.addEventListener(kind, () => this.node.classList.remove("buffering"));
    audio.addEventListener("error", () => audio.src && setText(this.trouble, this.#why()));
    return el("div", { class: "transport" }, this.button, this.position, this.slider, this.length, this.fresh);
  }

  #why() {
    return this.audio.error?.code === MediaError.MEDIA_ERR_NETWORK ? "The connection was lost; press play to go on."
      : "This browser cannot play this format as it is. The sections below play all the same, and so does a clip of any selection.";
  }

  #tools() {
    const choice = (key, label, values, otherwise, redraw) => {
      const select = el("select", { "aria-label": label }, ...values.map(([value, text]) => el("option", { value }, text)));
      select.value = recall(key, otherwise);
      select.addEventListener("change", () => (remember(key, select.value), redraw()));
      return select;
    };
    // Pictures of days and strips follow too.
    const redraw = () => document.dispatchEvent(new Event("themechange"));
    const even = el("input", { type: "checkbox" });
    even.checked = recall("even", false);
    even.addEventListener("change", () => (remember("even", even.checked), redraw()));
    this.summary = el("output", { class: "found-words", "aria-live": "polite" });
    return el("div", { class: "tools" },
      iconButton("plus", "Zoom in", () => this.zoom.by(0.5, this.#middle())), iconButton("minus", "Zoom out", () => this.zoom.by(2, this.#middle())),
      iconButton("fit", "Show the whole recording", () => this.zoom.whole()),
      choice("scale", "Frequency axis", [["log", "log"], ["linear", "linear"]], "log", redraw),
      choice("palette", "Colours", NAMES.map((name) => [name, name]), "ember", redraw),
      el("label", { class: "check", title: "Takes out what is there all the time: what comes and goes is left" }, even, "even out"), this.summary);
  }

  /** Zooming keeps the selection or the playhead in sight. */
  #middle() {
    const { chosen } = this.spectrogram, { from, to } = this.zoom;
    const at = chosen ? (chosen.from + chosen.to) / 2 : this.audio.currentTime;
    return at > from && at < to ? at : (from + to) / 2;
  }

  #selectionBar() {
    this.chosenWords = el("span", { class: "chosen-words" });
    const act = (sign, text, run) => el("button", { type: "button", onclick: run }, icon(sign), text);
    const chosen = () => this.spectrogram.chosen;
    this.chosenBar = el("div", { class: "chosen", role: "group", "aria-label": "Selection", hidden: true }, this.chosenWords,
      act("play", "Play", () => this.#playChosen(chosen())),
      act("plus", "Zoom", () => this.zoom.set(chosen().from, chosen().to)),
      act("cut", "Cut", () => (propose(this.file.name, chosen().from, chosen().to), this.showCut())),
      iconButton("close", "Clear the selection", () => this.spectrogram.choose(null, true)));
    return this.chosenBar;
  }

  #selected(chosen) {
    this.chosenBar.hidden = !chosen;
    if (!chosen) return;
    setText(this.chosenWords, `${clock(chosen.from, true)} – ${clock(chosen.to, true)} · ${(chosen.to - chosen.from).toFixed(1)} s · ${band(chosen.lo, chosen.hi)}`);
    propose(this.file.name, chosen.from, chosen.to);
  }

  #playChosen({ from, to, lo, hi }) {
    const section = { from_s: from, to_s: to, score_db: null, f_lo_hz: lo, f_hi_hz: hi };
    playQueue(() => this.queue(), { file: this.file, section, at: startsAt(this.file) + from, exact: true });
  }

  #scroll() {
    const bar = el("input", { type: "range", class: "scroll", min: "0", max: "1", step: "any", value: "0.5", "aria-label": "Part of the recording that is shown" });
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

  begin() {
    this.load();
    this.#showFacts();
    this.remark();
    if (this.file.state === "analysed") this.#loadProfile();
    else this.pictures.hidden = true;
  }

  load() {
    const at = this.audio.currentTime;
    this.fresh.hidden = true;
    this.audio.preload = "metadata";
    this.audio.src = urls.stream(this.file, Date.now());
    if (at > 0) this.audio.currentTime = at;
    setText(this.trouble, "");
  }

  async #loadProfile() {
    try {
      const bytes = await waiting(this.spectrogram.node, "Loading the picture…", (progress) => api.profile(this.file, { progress }));
      this.profile = new Profile(bytes);
      this.spectrogram.show(this.profile);
      this.waveform.show(this.profile);
      this.remark();
    } catch (refusal) {
      setText(this.trouble, refusal.message);
      this.pictures.hidden = true;
    }
  }

  /** The list has news of the file. */
  update(file) {
    const before = this.file;
    this.file = file;
    this.spectrogram.file = this.waveform.file = file;
    if (before.state === "open" && file.state !== "open") {
      this.zoom.length = lengthOf(file);
      this.zoom.whole();
      if (!this.cut) this.chips.node.after((this.cut = new Cut(file, () => this.audio.currentTime)).node);
    }
    if (before.version !== file.version && file.state === "analysed" && before.state !== "analysed") {
      this.pictures.hidden = false;
      this.#loadProfile();
    }
    if (file.state === "open" || before.state === "open") this.fresh.hidden = !(lengthOf(file) > this.audio.duration + 2);
    this.#showFacts();
    this.remark();
  }

  /** Sections as the sliders say: from the profile if it is here, else as the recorder told. */
  remark() {
    const found = this.profile ? sections(this.profile, detection()) : this.file.sections;
    this.found = found;
    this.spectrogram.mark(found);
    this.waveform.mark(found);
    this.chips.update(this.queue());
    const own = this.own ??= this.file.sections.length;
    const { margin, gap, detector } = get();
    setText(this.summary, margin + gap + detector !== "" ? `${own} → ${count(found.length, "section")}` : count(found.length, "section"));
  }

  queue() {
    return queueOf([{ ...this.file, sections: this.found ?? this.file.sections }]);
  }

  #showLength() {
    const { duration } = this.audio;
    const length = Number.isFinite(duration) ? duration : lengthOf(this.file);
    setText(this.length, clock(length));
    this.slider.max = length;
    this.#showPosition();
  }

  #showState() {
    const isPlaying = !this.audio.paused;
    const label = isPlaying ? "Pause" : "Play";
    this.button.replaceChildren(icon(isPlaying ? "pause" : "play"));
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    if (!isPlaying) return;
    const follow = () => {
      this.#showPosition();
      if (!this.audio.paused && this.node.isConnected) requestAnimationFrame(follow);
    };
    follow();
  }

  #showPosition() {
    const at = this.audio.currentTime;
    setText(this.position, clock(at));
    if (document.activeElement !== this.slider || !this.audio.paused) this.slider.value = at;
    this.slider.setAttribute("aria-valuetext", `${clock(at)} of ${this.length.textContent}`);
    const part = (at - this.zoom.from) / this.zoom.width;
    for (const head of this.heads) {
      head.hidden = part < 0 || part > 1;
      head.style.transform = `translateX(${part * head.parentNode.clientWidth}px)`;
    }
  }

  seek(second, andPlay = true) {
    this.audio.currentTime = Math.min(Math.max(second, 0), Math.max(0, (this.audio.duration || Infinity) - 0.05));
    this.#showPosition();
    if (andPlay) sound.play(this.audio);
  }

  playFrom(second, width = 20) {
    if (this.profile || this.file.state === "analysed") this.zoom.set(second - width / 2, second + width / 2);
    const go = () => this.seek(second);
    if (this.audio.readyState >= 1) go();
    else this.audio.addEventListener("loadedmetadata", go, { once: true });
  }

  showCut() {
    if (!this.cut) return announce("A recording can be cut once it is closed.");
    if (this.cut.from.value === "" && this.audio.currentTime > 0) this.cut.fill(this.audio.currentTime, Math.min(this.audio.currentTime + 10, lengthOf(this.file)));
    this.cut.node.classList.add("wanted");
    this.cut.node.scrollIntoView({ block: "nearest" });
    this.cut.from.focus();
  }

  #rememberZoom() {
    if (!players.has(this)) return;
    const entry = this.zoom.isWhole ? this.file.name : formatRange(this.file.name, this.zoom.from, this.zoom.to);
    set({ row: get().row.map((known) => (parseRange(known).name === this.file.name ? entry : known)) });
  }

  #showFacts() {
    const { file } = this, { quality = {}, end_reason, clock: clockState, recovered } = file.details ?? {};
    const facts = [["File", file.name], ["Source", file.source], ["Sound", [file.rate_hz && hz(file.rate_hz), file.channels && count(file.channels, "channel")].filter(Boolean).join(", ")],
      ["Peak", quality.peak > 0 && `${(20 * Math.log10(quality.peak)).toFixed(1).replace("-", "−")} dBFS`], ["Clipped", quality.clipped_samples > 0 && count(quality.clipped_samples, "sample")],
      ["Ended by", end_reason], ["Clock", clockState], ["Recovered", recovered && "after a power cut"], ["Note", file.note], ["Trouble", file.trouble]];
    this.facts.replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
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
