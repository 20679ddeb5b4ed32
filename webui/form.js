// The configuration as a form: a group for each section, a field for each key that the recorder knows. The text is the one truth; a
// field changes it, and the form is drawn from it.
import { ask } from "./dialog.js";
import { el, iconButton, unique } from "./dom.js";
import * as ini from "./ini.js";

/** `state`: text, told (as /api/settings), problems, open (names of groups). `change(text)` is called with what it becomes. */
export function form(state, change) {
	const { groups } = state.told;
	const sections = ini.parse(state.text);
	const group = (name) => groups.find((one) => one.name === name);
	const lane = group("lane").keys;
	const settings = groups.filter((one) => !one.is_source && one.name !== "lane");
	const named = (name) => sections.find((section) => section.name.toLowerCase() === name && (name === "general" || !section.keys.has("type")));
	const taken = new Set(settings.map((one) => named(one.name)));
	const sources = sections.filter((section) => !taken.has(section));
	const kinds = groups.filter((one) => one.is_source);
	const sourceKeys = (section) => {
		const kind = kinds.find((one) => one.name === section.keys.get("type")?.value.toLowerCase());
		return kind ? [kind.keys, lane] : [kinds[0].keys.slice(0, 1), []];
	};
	return [
		...sources.map((section) => fold(state, change, section.name, section, sourceKeys(section), sourceTools(state, change, section.name))),
		el("p", el("button", { onclick: () => add(state, change, kinds) }, "Add a source")),
		...settings.map(({ name, keys }) => fold(state, change, name, named(name), [keys, name === "general" ? lane : []])),
	];
}

/** `keys`: its own, and those that every source has, which are folded away unless they are set. */
function fold(state, change, name, section, [keys, common], tools) {
	const own = section?.name ?? name;
	const wrong = state.problems.filter((problem) => problem.section === own);
	const sign = wrong.length > 0 && el("span.badge.to-review", `${wrong.length} to look at`);
	const shown = (list) => el("div.fields", ...list.map((key) => field(state, change, own, section, key, wrong)));
	const isSet = (key) => section?.keys.has(key.name);
	const rest = common.filter((key) => !isSet(key));
	const more = rest.length > 0 && kept(state, `${own} more`, el("summary", own === "general" ? "For every source" : "More"), shown(rest));
	const node = kept(state, own, el("summary", el("h3", own), sign), shown([...keys, ...common.filter(isSet)]), more, tools);
	node.classList.add("card");
	return node;
}

/** Stays open when all is drawn anew. */
function kept(state, name, ...content) {
	const node = el("details", { open: state.open.has(name) }, ...content);
	node.addEventListener("toggle", () => state.open[node.open ? "add" : "delete"](name));
	return node;
}

function field(state, change, name, section, key, wrong) {
	const id = unique("set");
	const set = section?.keys.get(key.name);
	const now = state.told.values.find((value) => value.section === name && value.key === key.name);
	const usual = now && now.origin !== `line ${(set?.line ?? -1) + 1}` ? now.value : key.default;
	const trouble = wrong.find(({ line }) => set && line > set.line && line <= set.last + 1);
	const fromOutside = now && !/^(line \d+|default)$/.test(now.origin) && `Set by the variable ${now.origin}.`;
	const props = { id, "aria-describedby": `${id}-help`, "aria-invalid": trouble ? "true" : false, "data-key": `${name}.${key.name}` };
	let input;
	if (key.choices.length > 0) {
		const choices = key.choices.includes(set?.value) || !set ? key.choices : [...key.choices, set.value];
		const option = (value, text) => el("option", { value, selected: value === (set?.value ?? "") }, text);
		input = el("select", props, option("", usual ? `as usual: ${usual}` : "–"), ...choices.map((value) => option(value, value)));
	} else {
		const mode = key.min != null ? "decimal" : "text";
		input = el("input", { ...props, placeholder: usual, inputmode: mode, autocomplete: "off", spellcheck: "false" });
		input.value = set?.value ?? "";
		if (key.secret) input.addEventListener("focus", () => input.select());
	}
	// Another type has other keys: then all is drawn anew.
	const typed = key.name === "type" ? undefined : input;
	input.addEventListener("input", () => change(ini.set(state.text, name, key.name, input.value.trim()), typed));
	const help = [key.help, key.choices.length === 0 && `Want ${key.wants}.`, fromOutside].filter(Boolean).join(" ");
	return el(
		"div.set",
		el("label", { for: id }, key.name, key.unit && el("span.dim", ` ${key.unit}`)),
		input,
		el("p.dim", { id: `${id}-help` }, trouble ? el("strong.bad", trouble.text) : help),
	);
}

function sourceTools(state, change, name) {
	const names = ini.parse(state.text).map((section) => section.name);
	const rename = async () => {
		const to = (await ask(`Rename ${name}`, "Name", name))?.replace(/[[\]\n]/g, "").trim();
		if (!to || names.includes(to)) return;
		state.open.add(to);
		change(ini.rename(state.text, name, to));
	};
	return el(
		"div.buttons",
		el("button", { onclick: rename, "aria-label": `Rename ${name}` }, "Rename"),
		iconButton("trash", `Remove ${name} from the configuration`, () => change(ini.remove(state.text, name))),
	);
}

async function add(state, change, kinds) {
	const names = new Set(ini.parse(state.text).map((section) => section.name));
	let usual = "mic";
	for (let n = 2; names.has(usual); n += 1) usual = `mic${n}`;
	const name = (await ask("A source", "Name", usual, { yes: "Add" }))?.replace(/[[\]\n]/g, "").trim();
	if (!name || names.has(name)) return;
	state.open.add(name);
	change(ini.add(state.text, name, `type = ${kinds[0].name}`, `filename_pattern = ${name.replaceAll(/[/%\s]/g, "-")}_%Y%m%d_%H%M%S`));
}
