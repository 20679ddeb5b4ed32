// The head of the page: is it recording right now (a moving meter, not a word), is anything wrong, how long will it go on.
import { clockLine } from "./clock.js";
import { el, icon, iconButton, setText } from "./dom.js";
import { bytes, clamp, span } from "./format.js";
import { library, local, on } from "./library.js";
import { onLevels } from "./events.js";
import { showKeys } from "./keys.js";
import { recall, remember, set, get, on as onState } from "./store.js";

const WORDS = { recording: "recording", waiting: "waiting", alarm: "alarm", held: "paused", listening: "listening" };
const LOWEST = -70;
const meters = new Map();

export function start() {
	on("status", show);
	onLevels(move);
	const views = el("div.views", viewLink("live", "Live", "live"), viewLink("calendar", "Calendar", "calendar"), viewLink("status", "Status", "status"));
	document
		.getElementById("nav")
		.append(views, iconButton("theme", "Light or dark", nextTheme, { id: "theme" }), iconButton("keys", "Keys (?)", showKeys));
	setTheme(recall("theme", "auto"));
	onState("view", markView);
	markView();
}

function viewLink(view, label, sign) {
	const go = () => set(get().view === view ? { view: "days" } : { view });
	return el("button.icon-button", { "data-view": view, "aria-label": label, title: label, onclick: go }, icon(sign));
}

function markView() {
	for (const button of document.querySelectorAll("[data-view]")) {
		if (button.dataset.view === get().view) button.setAttribute("aria-current", "page");
		else button.removeAttribute("aria-current");
	}
}

const dark = matchMedia("(prefers-color-scheme: dark)");
function setTheme(theme) {
	const shown = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
	document.documentElement.dataset.theme = shown;
	document.dispatchEvent(new Event("themechange"));
}
dark.addEventListener("change", () => setTheme(recall("theme", "auto")));

function nextTheme() {
	const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
	remember("theme", next);
	setTheme(next);
}

function show() {
	const { sources, clock, disk, mode, alarms, folder } = library.status;
	document.title = `soundpost · ${folder.split("/").filter(Boolean).pop() ?? ""}`;
	const place = document.getElementById("live");
	meters.clear();
	place.replaceChildren(
		...sources.map(meterOf),
		...(mode === "serve" ? [el("span.fact", folder)] : []),
		...(mode === "serve" ? [] : [clockFact(clock), hoursFact(disk)]),
	);
	place.append(el("span.fact.lost-sign", icon("warn"), "connection lost, trying again"));
	const panel = document.getElementById("alarms"),
		key = JSON.stringify([alarms, clock]);
	// What stands there is not said again.
	if (panel.key !== key) panel.replaceChildren(
		clockLine(library.status) || "",
		...alarms.map((alarm) =>
			el(
				"p.alarm",
				icon("warn"),
				el("strong", "Alarm"),
				` ${alarm.text}`,
				el("span.dim", ` since ${local(alarm.since)}`),
			),
		),
	);
	panel.key = key;
	showWork();
}

function meterOf(source) {
	const fill = el("span.fill"),
		peak = el("span.peak");
	const bar = el(
		"span.meter",
		{
			role: "meter",
			"aria-label": `Level of ${source.name}`,
			"aria-valuemin": LOWEST,
			"aria-valuemax": "0",
			"aria-valuenow": Math.round(source.level_db ?? LOWEST),
			"aria-valuetext": WORDS[source.state],
		},
		fill,
		peak,
	);
	const parts = { bar, fill, peak, hold: LOWEST, state: source.state };
	meters.set(source.name, parts);
	place(parts, source.level_db ?? LOWEST, source.peak_db ?? LOWEST);
	const sign = source.state === "recording" ? el("span.dot", { "aria-hidden": "true" }) : icon("warn");
	return el(
		"a",
		{ class: `source ${source.state}`, href: `#/live/${encodeURIComponent(source.name)}`, title: source.trouble ?? `${source.name} is ${WORDS[source.state]}` },
		sign,
		el("span.source-name", source.name),
		source.state === "recording" ? bar : el("span.dim", WORDS[source.state]),
		el("span.unseen", WORDS[source.state]),
	);
}

const share = (db) => clamp((db - LOWEST) / -LOWEST, 0, 1);
function place({ fill, peak }, level, hold) {
	fill.style.transform = `scaleX(${share(level)})`;
	peak.style.transform = `translateX(${share(hold) * 100}%)`;
}

function move(sources) {
	for (const { name, level_db, peak_db, clipped } of sources) {
		const parts = meters.get(name);
		if (!parts || level_db == null) continue;
		parts.hold = Math.max(peak_db ?? level_db, parts.hold - 1.5);
		place(parts, level_db, parts.hold);
		parts.bar.classList.toggle("clipped", clipped);
		parts.bar.setAttribute("aria-valuenow", Math.round(level_db));
		parts.bar.setAttribute("aria-valuetext", `${Math.round(level_db)} dBFS`);
	}
}

function clockFact(clock) {
	if (clock.source === "browser") return el("span.fact.clock", "clock from a browser");
	return clock.synced
		? el("span.fact.clock", "clock ", el("span.good", "✓"), el("span.unseen", "right"))
		: el("span.fact.clock.bad", icon("warn"), "clock not set");
}

function hoursFact(disk) {
	// Of a station nobody knows how much it will send.
	if (disk.hours_left == null) return el("span.fact", `${bytes(disk.free_bytes)} free`);
	const text =
		disk.hours_left >= 72
			? [Math.floor(disk.hours_left / 24), " d", el("span.long", "ays")]
			: [span(Math.floor(disk.hours_left) * 3600)];
	const isShort = disk.hours_left < 24;
	return el(
		"span",
		{ class: isShort ? "fact bad" : "fact", title: "Until the disk is full" },
		isShort && icon("warn"),
		...text,
		el("span.long", " left"),
	);
}

/** A scan or an analysis that goes on behind: with its figure. */
function showWork() {
	const { work } = library.status;
	const old = document.getElementById("work");
	if (!work) return old?.remove();
	const words = { scan: "Looking through the folder", analyse: "Analysing" };
	const line = old ?? el("p.work", { id: "work", role: "status" }, el("progress", { max: "1" }), el("span"));
	line.querySelector("progress").value = work.total ? work.done / work.total : 0;
	line.querySelector("progress").setAttribute("aria-label", words[work.what] ?? work.what);
	setText(
		line.querySelector("span"),
		`${words[work.what] ?? work.what} ${work.done.toLocaleString("en")} of ${work.total.toLocaleString("en")}`,
	);
	if (!old) document.getElementById("alarms").after(line);
}
