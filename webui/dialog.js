// Small windows over the page: a question, a line to type, a list. Native <dialog>: focus stays inside, Escape closes, and the
// focus goes back to where it was.
import { el, iconButton } from "./dom.js";

/** Shows it and answers with what it was closed with: "" by Escape or Cancel. */
export function show(title, body, buttons, more = {}) {
	const heading = el("h2", { id: "dialog-title" }, title);
	const form = el("form", { method: "dialog" }, heading, ...body, el("div.buttons", ...buttons));
	const box = el("dialog", { "aria-labelledby": "dialog-title", ...more }, form);
	document.body.append(box);
	box.showModal();
	// Whoever clicks beside it means "no".
	box.addEventListener("click", (event) => event.target === box && box.close(""));
	return new Promise((answered) =>
		box.addEventListener("close", () => {
			box.remove();
			answered(box.returnValue);
		}),
	);
}

const choice = (value, text, more = {}) => el("button", { value, type: "submit", ...more }, text);

export const confirm = async (title, text, yes, kind = "danger") =>
	(await show(
		title,
		[text].flat().map((line) => el("p", line)),
		[choice("", "Cancel", { autofocus: true }), choice("yes", yes, { class: kind })],
		{ class: "confirm" },
	)) === "yes";

/** One line or more; null when it was given up. */
export async function ask(title, label, value, { rows = 1, hint = "", yes = "Save" } = {}) {
	const input = rows > 1 ? el("textarea", { rows, autofocus: true }) : el("input", { autofocus: true, autocomplete: "off" });
	input.value = value;
	const answer = await show(title, [el("label.field", label, input), hint && el("p.dim", hint)].filter(Boolean), [
		el("button", { onclick: (event) => event.target.closest("dialog").close("") }, "Cancel"),
		choice("yes", yes, { class: "primary" }),
	]);
	return answer === "yes" ? input.value : null;
}

export function list(title, entries) {
	const rows = entries.map(([keys, what]) =>
		el(
			"div",
			el(
				"dt",
				keys.flatMap((key) => [el("kbd", key), " "]),
			),
			el("dd", what),
		),
	);
	const close = iconButton("close", "Close", (event) => event.target.closest("dialog").close(""), { autofocus: true });
	return show(title, [close, el("dl.keys", ...rows)], [], { class: "wide" });
}
