// The recorder itself: what each source does, how long the disk lasts, what was set, what is wrong and since when.
import { urls } from "./api.js";
import { clockButton, clockState } from "./clock.js";
import { card, el, facts, icon, iconButton, setText } from "./dom.js";
import { bytes, count, hz, span } from "./format.js";
import { library, loadStatus, local, now, on } from "./library.js";
import { onLevels } from "./events.js";
import { keepButton } from "./marks.js";
import { copy } from "./rowmenu.js";
import { deletions, keeping, uploads } from "./storage.js";
import { get, on as onState } from "./store.js";

const place = el("div");
// Drawn once: what somebody types there stays.
const schedules = el("div");
const settings = el("section.settings", { "aria-label": "Settings" });
const levels = new Map();

export function start() {
	const draw = () => get().view === "status" && show();
	on("status", draw);
	onState("view", () => {
		draw();
		// What is uploaded, and how far, comes with no event of its own.
		if (get().view === "status") loadStatus().catch(() => {});
	});
	onLevels((sources) => {
		if (get().view !== "status") return;
		for (const { name, level_db } of sources) if (levels.has(name)) setText(levels.get(name), decibels(level_db));
	});
	return el("div.status", place, schedules, settings);
}

const decibels = (db) => (db == null ? "–" : `${db.toFixed(1).replace("-", "−")} dB`);

function lasts({ mode, disk }) {
	if (mode === "serve") return "nothing records";
	return disk.hours_left == null ? "not known" : span(Math.round(disk.hours_left) * 3600);
}

let isOpen = false;
export function show() {
	const { status } = library;
	if (!status) return;
	// Who serves a folder has no configuration.
	if (!isOpen && status.mode === "record") {
		isOpen = true;
		import("./settings.js").then((module) => module.start(schedules, settings));
	}
	const { disk, detection: set, clock } = status,
		kept = clock.reference;
	levels.clear();
	const stops = () => [...place.querySelectorAll("a, button, [tabindex]")],
		stood = stops().indexOf(document.activeElement);
	place.replaceChildren(
		el("h2", "Status"),
		status.sources.length > 0
			? el("div.scroller", { tabindex: "0", role: "region", "aria-label": "Sources" }, sourceTable(status.sources))
			: "",
		el(
			"div.cards",
			card(
				"Disk",
				diskBar(disk),
				facts("dl.table", [
					["Free", `${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)}`],
					["Lasts for", lasts(status)],
					["Folder", status.folder],
					...keeping(status),
					["Writing", status.read_only ? "the folder is read-only" : "allowed"],
				]),
			),
			deletions(status),
			...uploads(status),
			card(
				"Clock",
				facts("dl.table", [
					["State", clockState(clock)],
					["Kept by", kept && `${kept.keeper} ${kept.id}${kept.offset_s == null ? "" : `, ${(kept.offset_s * 1000).toFixed(1)} ms off`}`],
					["Time zone", status.time_zone],
					["Now", local(now(), 19)],
				]),
				clockButton(status),
			),
			card(
				"Detection",
				facts("dl.table", [
					["Rule", set.detector],
					["Margin", `${set.margin_db} dB over the floor`],
					["Joined when nearer than", `${set.min_gap_s} s`],
					["Shortest", `${set.min_length_s} s`],
					["Lead-in and tail", `${set.pre_roll_s} s, ${set.post_roll_s} s`],
				]),
			),
			card(
				"Software",
				facts("dl.table", [
					["Version", status.software],
					["Mode", status.mode === "serve" ? "serves a folder" : "records"],
					["Password", status.open ? "none: whoever reaches this page may delete" : "set"],
				]),
				el("p", el("a", { href: "api/openapi.json" }, "API"), " · ", el("a", { href: "metrics" }, "metrics")),
			),
		),
	);
	// Who stood on something still does.
	if (stood >= 0) stops()[stood]?.focus({ preventScroll: true });
}

function diskBar({ free_bytes, total_bytes }) {
	const used = total_bytes ? 1 - free_bytes / total_bytes : 0;
	return el("meter", {
		min: "0",
		max: "1",
		high: "0.85",
		optimum: "0",
		value: used.toFixed(3),
		"aria-label": `Disk, ${Math.round(used * 100)} % used`,
	});
}

/** Where any player hears a source, as soon as it sounds, and whether it reaches the Icecast that it is sent to. */
function heard({ name, rate_hz, icecast }) {
	const address = urls.opus(name);
	const share = iconButton("share", `Copy where ${name} is heard`, () => copy(new URL(address, document.baseURI).href));
	const here = rate_hz > 0 && el("span.state", el("a", { href: address }, decodeURI(address)), share);
	return [here || "–", icecast && el("p.push.dim", ...sent(icecast))];
}

function sent({ connected, connections, trouble }) {
	if (!connected) return [icon("warn"), `Not on its Icecast${trouble ? `: ${trouble}` : " yet"}`];
	return ["On its Icecast", connections > 1 && `, connected ${connections} times`];
}

function opens({ state, opens }) {
	if (state !== "held") return "";
	return el("p.dim", opens ? `opens ${local(opens)}` : "has no window any more");
}

function sourceTable(sources) {
	const row = (source) => {
		const level = el("td.number", decibels(source.level_db));
		levels.set(source.name, level);
		const sign = source.state === "recording" ? el("span.dot", { "aria-hidden": "true" }) : icon("warn");
		return el(
			"tr",
			{ class: `source ${source.state}` },
			el("th", { scope: "row" }, source.name),
			el("td", el("span.state", sign, source.state), source.trouble && el("p.dim", source.trouble), opens(source)),
			level,
			el("td", source.rate_hz ? `${hz(source.rate_hz)}, ${count(source.channels, "channel")}` : "–"),
			el("td.number", source.drift_ppm == null ? "–" : `${source.drift_ppm} ppm`),
			el("td.number", String(source.xruns)),
			el("td.number", String(source.gaps)),
			el("td", source.since ? span((now() - Date.parse(source.since)) / 1000) : "–"),
			el("td", heard(source)),
			el("td", source.file ? keepButton(source.name) : "–"),
		);
	};
	const heads = ["Source", "State", "Level", "Sound", "Drift", "Overruns", "Gaps", "For", "Heard at", "Keep"].map((text) =>
		el("th", { scope: "col" }, text),
	);
	return el("table.sources", el("thead", el("tr", ...heads)), el("tbody", ...sources.map(row)));
}
