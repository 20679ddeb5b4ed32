// The bar at the foot: short clips, made by the recorder, one after another. J and K step through the queue in time order; the next
// clip is fetched while one plays, so a step sounds at once. A clip has its lead-in, and a way into the whole recording.
import { api, urls } from "./api.js";
import { buildBar } from "./clipview.js";
import { propose } from "./cut.js";
import { currentDate, goToDay, groupOf } from "./days.js";
import { announce } from "./dom.js";
import { clamp } from "./format.js";
import { detection, fileOf, lengthOf, loadDay, on, queueOf, startsAt } from "./library.js";
import { rowOf } from "./row.js";
import * as sound from "./sound.js";
import { formatRange, get, parseRange, recall, set } from "./store.js";

/** The recorder makes no longer clips. */
const LONGEST_S = 600;

// Two elements: one sounds, the other already loads what comes next.
const elements = [sound.claimed(), sound.claimed()];
let audio = elements[0],
	spare = elements[1];
let current = null,
	source = null,
	bar = null;
const listeners = new Set();

export const keyOf = (item) => `${item.file.name}@${item.section.from_s}`;

/** Calls act(item or null) when another clip is taken up; answers how to stop that. */
export function onClip(act) {
	listeners.add(act);
	return () => listeners.delete(act);
}
onClip.current = () => current;

export const isOpen = () => current !== null;
export const clipItem = () => current;

/** Seconds of the file that the clip of an item covers. */
export function rangeOf({ file, section, exact }) {
	const { pre_roll_s, post_roll_s } = exact ? { pre_roll_s: 0, post_roll_s: 0 } : detection();
	const from = Math.max(0, section.from_s - pre_roll_s);
	return { from, to: Math.min(section.to_s + post_roll_s, from + LONGEST_S, Math.max(lengthOf(file), section.to_s)) };
}

const urlOf = (item) => {
	const { from, to } = rangeOf(item);
	return urls.clip(item.file, from, to);
};

/** queue(): items in time order, asked anew at every step: the sliders may have changed it. */
export function playQueue(queue, item) {
	source = typeof queue === "function" ? queue : () => groupOf(item.file.date)?.queue() ?? queue;
	take(item, true);
}

function take(item, andPlay) {
	current = item;
	bar ??= makeBar();
	const url = new URL(urlOf(item), document.baseURI).href;
	audio.pause();
	if (audio.src.startsWith("blob:")) URL.revokeObjectURL(audio.src);
	if (spare.src === url) [audio, spare] = [spare, audio];
	else audio.src = url;
	audio.preload = "auto";
	audio.currentTime = 0;
	audio.playbackRate = recall("rate", 1);
	if (andPlay) sound.play(audio).catch(() => {});
	propose(item.file.name, item.section.from_s, item.section.to_s);
	set({ play: formatRange(item.file.name, item.section.from_s, item.section.to_s) });
	document.body.classList.add("with-bar");
	bar.show(item, audio);
	listeners.forEach((act) => act(item));
	const next = neighbour(1, false);
	if (next) {
		spare.preload = "auto";
		spare.src = urlOf(next);
	}
}

/** The item before or after the current one, by time: the queue may have changed under it. */
function neighbour(direction, isUnreviewed) {
	const queue = (source?.() ?? []).filter((item) => !isUnreviewed || !(fileOf(item.file.name) ?? item.file).reviewed);
	const own = current ? queue.findIndex((item) => keyOf(item) === keyOf(current)) : -1;
	if (own >= 0) return queue[own + direction] ?? null;
	if (!current) return direction > 0 ? queue[0] : queue[queue.length - 1];
	return direction > 0 ? queue.find((item) => item.at > current.at) : queue.findLast((item) => item.at < current.at);
}

/** J and K. With nothing in the bar they begin with the day one looks at. */
export async function step(direction, isUnreviewed = false) {
	if (!source) {
		const date = currentDate();
		await loadDay(date).catch(() => null);
		if (!groupOf(date)) return announce("There is nothing to step through.");
		goToDayQuietly(date);
		source = () => groupOf(date)?.queue() ?? [];
	}
	const next = neighbour(direction, isUnreviewed);
	if (next) take(next, true);
	else announce(direction > 0 ? "That was the last section." : "That was the first section.");
}

const goToDayQuietly = (date) => groupOf(date).isOpen || goToDay(date);

export function toggle() {
	sound.toggle(audio);
}

/** A seek that waits for its sound: those that come meanwhile change it. */
let going = null;
const waiting = () => (going?.src === audio.src ? going : null);
export const seekBy = (seconds) => seekTo((waiting()?.at ?? audio.currentTime) + seconds);

/** Where ranges are not answered (by a proxy, say) a browser cannot move in a clip: then it is fetched whole, once. */
async function seekTo(second) {
	const mine = audio, { seekable, paused, src } = mine;
	const { from, to } = rangeOf(current);
	const goal = { src, at: clamp(second, 0, to - from) };
	if (waiting()) return void (going.at = goal.at);
	if (!src.startsWith("blob:") && !(seekable.length > 0 && seekable.end(0) >= goal.at)) {
		going = goal;
		const whole = await fetch(src).then((answer) => answer.blob()).finally(() => going === goal && (going = null));
		if (mine !== audio || mine.src !== src) return;
		mine.src = URL.createObjectURL(whole);
		if (!paused) sound.play(mine);
	}
	mine.currentTime = goal.at;
}

/** The whole recording, at the same place. */
export async function openInFile() {
	const { file } = current,
		at = rangeOf(current).from + audio.currentTime;
	audio.pause();
	await loadDay(file.date);
	if (!groupOf(file.date)?.isOpen) goToDay(file.date);
	else set({ view: "days" });
	const row = rowOf(file.name);
	if (!row) return announce("The filters hide this recording.");
	row.playFrom(at);
	row.toggle.focus({ preventScroll: true });
}

export function close() {
	for (const one of elements) {
		one.pause();
		one.removeAttribute("src");
		one.load();
	}
	current = source = null;
	set({ play: "" });
	document.body.classList.remove("with-bar");
	bar?.hide();
	listeners.forEach((act) => act(null));
}

function makeBar() {
	for (const one of elements) {
		one.addEventListener("ended", () => one === audio && recall("auto", true) && step(1));
		one.addEventListener("error", () => one === audio && one.getAttribute("src") && explain(one.src));
	}
	on("removed", (name) => current?.file.name === name && close());
	return buildBar({ step, toggle, seekTo, openInFile, close, urlOf, rangeOf, elements, isCurrent: (one) => one === audio });
}

/** An audio element does not say why: the recorder does. */
async function explain(url) {
	try {
		await api.head(url);
		bar.trouble("This browser cannot play the clip.");
	} catch (refusal) {
		bar.trouble(refusal.message);
	}
}

/** The clip of a link: ready in the bar; it sounds when one presses play, as browsers want it. */
export async function resume() {
	const { name, from, to } = parseRange(get().play);
	if (!name || from === null) return;
	const file = await api.file(name).catch(() => null);
	if (!file) return announce("The recording of this link is gone.");
	const section = file.sections.find((s) => Math.abs(s.from_s - from) < 0.06) ?? {
		from_s: from,
		to_s: to,
		score_db: null,
		f_lo_hz: null,
		f_hi_hz: null,
	};
	source = () => groupOf(file.date)?.queue() ?? queueOf([file]);
	take({ file, section, at: startsAt(file) + section.from_s }, false);
}
