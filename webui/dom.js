// Elements, icons, the spoken line and the signs of waiting: what every module builds with. No state of the page is known here.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: el("button.chip", { onclick: f, "aria-label": "…" }, "text", child…), or without properties el("p.dim", "text").
 * Properties that begin with `on` are listeners; true and false set and leave out an attribute; null and false children are left out.
 */
export function el(tag, ...rest) {
	const [name, ...classes] = tag.split(".");
	const node = document.createElement(name);
	node.classList.add(...classes);
	// Only buttons of a form send it, and they say so.
	if (name === "button") node.type = "button";
	return build(node, rest);
}

/** The same of SVG; its classes are properties. */
export const svg = (tag, ...rest) => build(document.createElementNS(SVG, tag), rest);

function build(node, rest) {
	const [first] = rest;
	const hasProps = first && typeof first === "object" && !(first instanceof Node) && !Array.isArray(first);
	for (const [key, value] of Object.entries(hasProps ? first : {})) {
		if (key === "class") node.classList.add(...value.split(" "));
		else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
		else if (value === true) node.setAttribute(key, "");
		else if (value !== false && value != null) node.setAttribute(key, value);
	}
	const children = (hasProps ? rest.slice(1) : rest).flat();
	node.append(...children.filter((child) => child != null && child !== false));
	return node;
}

export function icon(name) {
	const sign = svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" });
	sign.append(svg("use", { href: `icons.svg#${name}` }));
	return sign;
}

/** A button that is an icon; its name is spoken and shown as a tip. */
export function iconButton(name, label, onclick, more = {}) {
	return el("button.icon-button", { "aria-label": label, title: label, onclick, ...more }, icon(name));
}

/** Names and values of a list, without those that have none. */
export const facts = (kind, rows) =>
	el(kind, ...rows.filter(([, value]) => value || value === 0).map(([name, value]) => el("div", el("dt", name), el("dd", value))));

export const card = (title, ...body) => el("section.card", { "aria-label": title }, el("h3", title), ...body);

let ids = 0;
/** An id that nothing else has. */
export const unique = (kind) => `${kind}-${(ids += 1)}`;

/** Says it to who listens to the page, and to who looks at it for a few seconds. */
export function announce(text) {
	const line = document.getElementById("spoken");
	line.textContent = text;
	line.classList.add("shown");
	clearTimeout(announce.timer);
	announce.timer = setTimeout(() => line.classList.remove("shown"), 4000);
}

/** Sets text only when it differs: nothing is spoken or laid out again for nothing. */
export function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

/**
 * Shows that `place` waits for `promise`: a shimmer after 150 ms, a sentence after 500 ms.
 * Returns [promise, progress]; progress(part, text) puts a figure to it.
 */
export function waiting(place, what, begin) {
	const bar = el("progress", { max: "1", "aria-label": what });
	const words = el("span", what);
	const note = el("p.wait-note", { role: "status" }, bar, words);
	const soon = setTimeout(() => place.classList.add("shimmer"), 150);
	const later = setTimeout(() => place.append(note), 500);
	const progress = (part, done) => {
		if (part == null) bar.removeAttribute("value");
		else bar.value = part;
		setText(words, `${what} ${part == null ? done : `${Math.floor(part * 100)} %`}`);
	};
	return begin(progress).finally(() => {
		clearTimeout(soon);
		clearTimeout(later);
		place.classList.remove("shimmer");
		note.remove();
	});
}

/** The function, called once when `ms` have passed since the last call. */
export function after(ms, act) {
	let timer;
	return (...args) => {
		clearTimeout(timer);
		timer = setTimeout(() => act(...args), ms);
	};
}

/** A canvas fitted to its box in device pixels: {context, width, height, ratio}, sizes in CSS pixels. */
export function fitted(canvas) {
	const { clientWidth: width, clientHeight: height } = canvas;
	const ratio = window.devicePixelRatio || 1;
	const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
	if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
	const context = canvas.getContext("2d");
	context.setTransform(ratio, 0, 0, ratio, 0, 0);
	context.clearRect(0, 0, width, height);
	return { context, width, height, ratio };
}

/** Calls `draw` now and whenever the box or the theme changes, until the node is gone. */
export function redrawn(node, draw) {
	const watch = new ResizeObserver(() => (node.isConnected ? draw() : stop()));
	const theme = () => draw();
	const stop = () => {
		watch.disconnect();
		document.removeEventListener("themechange", theme);
	};
	watch.observe(node);
	document.addEventListener("themechange", theme);
	return stop;
}

const styles = () => getComputedStyle(document.documentElement);
/** A colour of the theme, by its token: colour("section"). */
export const colour = (token) => styles().getPropertyValue(`--${token}`).trim();
