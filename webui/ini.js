// The text of the configuration: where sections and keys stand in it, and the same text with one thing changed. Comments and order stay
// as they are. What a value means, and whether it is one, only the recorder knows.

const COMMENT = /(^|\s)[#;].*$/;
const indent = (line) => line.length - line.trimStart().length;
export const header = (line) => /^\s*\[(.+)\]/.exec(line)?.[1].trim();

/** Sections in their order, each with name, line, last line and keys: a map of key to value, line and last line. Lines from 0. */
export function parse(text) {
	const sections = [];
	let key = null;
	text.split("\n").forEach((raw, at) => {
		const line = raw.replace(COMMENT, "").trimEnd();
		const section = sections.at(-1);
		if (!line) return;
		if (key && indent(line) > key.indent) {
			key.value = `${key.value} ${line.trim()}`.trim();
			key.last = section.last = at;
			return;
		}
		key = null;
		const name = header(line);
		if (name) return sections.push({ name, line: at, last: at, keys: new Map() });
		const cut = line.search(/[=:]/);
		if (cut < 0 || !section) return;
		key = { value: line.slice(cut + 1).trim(), line: at, last: at, indent: indent(line) };
		section.keys.set(line.slice(0, cut).trim().toLowerCase(), key);
		section.last = at;
	});
	return sections;
}

const find = (text, name) => parse(text).find((section) => section.name === name);

function splice(text, at, count, ...more) {
	const lines = text.split("\n");
	lines.splice(at, count, ...more);
	return lines.join("\n");
}

/** A section behind all others. */
export const add = (text, name, ...lines) => `${text.trimEnd()}\n\n[${name}]\n${lines.map((line) => `${line}\n`).join("")}`;

/** The value of a key; an empty one takes the key out. A comment behind it stays. */
export function set(text, name, key, value) {
	const section = find(text, name);
	const line = `${key} = ${value}`;
	if (!section) return value ? add(text, name, line) : text;
	const old = section.keys.get(key);
	if (!old) return value ? splice(text, section.last + 1, 0, line) : text;
	const count = old.last - old.line + 1;
	if (!value) return splice(text, old.line, count);
	const before = text.split("\n")[old.line];
	const kept = /^[^=:]*[=:]\s*/.exec(before)[0];
	const comment = COMMENT.exec(before.slice(kept.length))?.[0].trimStart();
	return splice(text, old.line, count, kept.replace(/([=:])$/, "$1 ") + value + (comment ? `  ${comment}` : ""));
}

export function rename(text, from, to) {
	const { line } = find(text, from);
	return splice(text, line, 1, `[${to}]`);
}

/** With its lines, up to the comment that stands above the next one. */
export function remove(text, name) {
	const { line, last } = find(text, name);
	const rest = text.split("\n").slice(last + 1);
	const blank = rest.findIndex((next) => next.trim());
	return splice(text, line, last - line + 1 + Math.max(0, blank));
}
