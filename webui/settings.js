// The recorder's configuration: a form and the text of the file, side by side, and both the same. What is typed is looked at by the
// recorder itself, as `soundpost check` would, and written when it is saved. Loaded when somebody opens it.
import { api } from "./api.js";
import { after, announce, el, unique } from "./dom.js";
import { form } from "./form.js";
import { load as loadSchedule } from "./schedule.js";

const state = { text: "", told: null, problems: [], open: new Set() };
const fields = el("div.settings-form");
const gutter = el("ol.gutter", { "aria-hidden": "true" });
const list = el("ul.problems", { "aria-label": "Problems" });
const words = el("p.settings-words", { role: "status" });
const choices = el("div.buttons");
const id = unique("text");
const text = el("textarea", { id, wrap: "off", spellcheck: "false", autocapitalize: "off", rows: "24", "aria-describedby": `${id}-problems` });
list.id = `${id}-problems`;
const save = el("button.primary", { onclick: write }, "Save");
const discard = el("button", { onclick: () => take(state.told) }, "Discard");
const undo = el("button", { onclick: back }, "Undo the last change");
let schedules;

text.addEventListener("input", () => typed(text.value));
text.addEventListener("scroll", () => (gutter.style.transform = `translateY(${-text.scrollTop}px)`));

/** Fills its places: one for schedules, one for settings. */
export async function start(schedulePlace, place) {
	schedules = schedulePlace;
	try {
		take(await api.settings());
		await loadSchedule(schedules);
	} catch (refusal) {
		return place.replaceChildren(el("p.dim", refusal.message));
	}
	const tab = (name, kind) => {
		const show = () => {
			panes.dataset.shown = kind;
			tabs.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.kind === kind)));
		};
		return el("button", { "data-kind": kind, "aria-pressed": String(kind === "form"), onclick: show }, name);
	};
	const tabs = [tab("Form", "form"), tab("Text", "text")];
	const raw = el("div.settings-text", el("label", { for: id }, state.told.file), el("div.lines", el("div", gutter), text), list);
	const panes = el("div.settings-panes", { "data-shown": "form" }, fields, raw);
	const locked = state.told.locked ? [el("p.locked", state.told.locked)] : [];
	const bar = el("div.settings-bar", save, discard, undo, words, choices);
	place.replaceChildren(el("h2", "Settings"), ...locked, el("div.settings-tabs", ...tabs), panes, bar);
}

/** As the recorder tells it; what was typed and not saved is gone. */
function take(told) {
	Object.assign(state, { told, text: told.text, problems: told.problems });
	text.value = told.text;
	text.readOnly = told.locked != null;
	say(told.restart_needed.length > 0 ? `At the next start: ${told.restart_needed.join(", ")}.` : "");
	draw();
}

function say(what, ...buttons) {
	words.textContent = what;
	choices.replaceChildren(...buttons);
}

let asked = 0;
const check = after(400, async () => {
	const mine = (asked += 1);
	try {
		const { problems } = await api.checkSettings(state.text);
		if (mine !== asked || JSON.stringify(problems) === JSON.stringify(state.problems)) return;
		state.problems = problems;
		draw();
	} catch (refusal) {
		say(refusal.message);
	}
});

/** By hand in the text; `field` where it came from one of the form. */
function typed(now, field) {
	state.text = now;
	if (field !== text && text.value !== now) text.value = now;
	// Who types in a field keeps it; everything else is drawn anew.
	if (field) marks();
	else draw();
	check();
}

function draw() {
	const { activeElement: was } = document;
	const key = fields.contains(was) && was.dataset.key;
	fields.replaceChildren(...form(state, typed));
	fields.inert = state.told.locked != null;
	const now = key && fields.querySelector(`[data-key="${CSS.escape(key)}"]`);
	if (now) {
		now.focus({ preventScroll: true });
		if (now.matches("input")) now.setSelectionRange(was.selectionStart, was.selectionEnd);
	}
	marks();
}

/** Lines with their problems, and what can be pressed. */
function marks() {
	const at = new Map(state.problems.map((problem) => [problem.line, problem]));
	gutter.replaceChildren(
		...state.text.split("\n").map((_, n) => el("li", { class: at.get(n + 1)?.severity ?? "fine", title: at.get(n + 1)?.text })),
	);
	list.replaceChildren(
		...state.problems.map(({ line, severity, text: what }) => {
			const words = `${line ? `Line ${line}: ` : ""}${what}`;
			return el("li", { class: severity }, line ? el("button.quiet", { onclick: () => goTo(line) }, words) : words);
		}),
	);
	const isSame = state.text === state.told.text;
	save.disabled = isSame || state.told.locked != null || state.problems.some(({ severity }) => severity === "error");
	discard.disabled = isSame;
	undo.disabled = !isSame || !state.told.has_backup || state.told.locked != null;
}

function goTo(line) {
	const lines = state.text.split("\n");
	const begin = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
	text.focus();
	text.setSelectionRange(begin, begin + lines[line - 1].length);
	text.scrollTop = (line - 4) * (text.scrollHeight / lines.length);
}

async function write() {
	try {
		await done(await api.saveSettings(state.text, state.told.revision));
	} catch (refusal) {
		if (refusal.body?.problems) {
			state.problems = refusal.body.problems;
			draw();
		}
		if (refusal.status !== 412) return say(refusal.message);
		const theirs = async () => take(await api.settings());
		const mine = async () => {
			state.told = { ...(await api.settings()) };
			say("What you have here replaces it when you save.");
			marks();
		};
		say(refusal.message, el("button", { onclick: theirs }, "Load the file"), el("button", { onclick: mine }, "Keep what is here"));
	}
}

async function back() {
	try {
		await done(await api.undoSettings(state.told.revision));
	} catch (refusal) {
		say(refusal.message);
	}
}

async function done({ changed, new: begun, gone, at_once, restart_needed }) {
	take(await api.settings());
	await loadSchedule(schedules);
	const part = (title, names) => names.length > 0 && `${title}: ${names.join(", ")}.`;
	const parts = [
		part("Applied now", [...changed, ...at_once]),
		part("Begun", begun),
		part("Ended", gone),
		part("At the next start", restart_needed),
	].filter(Boolean);
	say(["Saved.", ...parts].join(" "));
	announce("The settings are saved");
}
