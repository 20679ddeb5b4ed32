// A button that shows a short list of things to do: a disclosure, closed by Escape, by leaving it, or by choosing.
import { el, icon, iconButton, unique } from "./dom.js";

/** entries(): {text, sign, run or href, off, danger}; asked each time it opens. */
export function menu(label, entries) {
	const id = unique("menu");
	const list = el("ul.menu", { id, hidden: true });
	const button = iconButton("more", label, () => show(list.hidden), { "aria-expanded": "false", "aria-controls": id });
	button.title = "More";
	const node = el("span.menu-box", button, list);

	function show(wanted) {
		list.hidden = !wanted;
		button.setAttribute("aria-expanded", wanted);
		if (!wanted) return list.replaceChildren();
		list.replaceChildren(...entries().map((entry) => el("li", item(entry))));
		const box = button.getBoundingClientRect();
		list.classList.toggle("upward", box.bottom + list.offsetHeight + 80 > innerHeight && box.top > list.offsetHeight);
		list.querySelector("a, button:not(:disabled)")?.focus();
	}

	function item({ text, sign, run, href, off, danger }) {
		const kind = danger ? "menu-item danger" : "menu-item";
		if (href) return el("a", { class: kind, href, download: "", onclick: () => setTimeout(close, 0) }, icon(sign), text);
		return el("button", { class: kind, disabled: off ?? false, onclick: () => (close(), run()) }, icon(sign), text);
	}

	function close() {
		show(false);
		button.focus();
	}

	node.addEventListener("keydown", (event) => {
		if (event.key === "Escape" && !list.hidden) {
			event.stopPropagation();
			close();
		}
		const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
		if (!step || list.hidden) return;
		event.preventDefault();
		const all = [...list.querySelectorAll("a, button:not(:disabled)")];
		all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
	});
	node.addEventListener("focusout", (event) => !node.contains(event.relatedTarget) && event.relatedTarget && show(false));
	document.addEventListener("pointerdown", (event) => !list.hidden && !node.contains(event.target) && show(false));
	return node;
}
