// The state of the page that a link carries. Everything that changes what is seen lives in the fragment of the address, so a copied
// link shows the same thing on another phone:
//
//   #/                               days, the newest open          #/calendar/2026-05   a month
//   #/day/2026-05-22                 days, this one open and near   #/status             the recorder itself
//   #/live/mic                       a source as it sounds now
//
// and behind `?`, in every view (a default is left out):
//   q=       part of a file's name                 from= to=   local dates, both included
//   source=  one source                            todo=1      only what is not reviewed
//   open=    a day that is open, repeated; `open=none` when all are closed
//   row=     a file whose player is open, repeated: NAME or NAME@FROM-TO (seconds that its pictures show)
//   play=    the clip in the bar: NAME@FROM-TO, seconds of the section
//   margin= gap= detector=           the sliders, where they differ from the recorder's own settings
//
// Theme, palette, auto-advance and gain belong to the device and not to a link: they are in localStorage (remember, recall).
// Only this module reads or writes the address.

const TEXTS = ["q", "from", "to", "source", "play", "margin", "gap", "detector", "todo"];
const LISTS = ["open", "row"];
const EMPTY = { view: "days", day: "", month: "", live: "", open: [], row: [], ...Object.fromEntries(TEXTS.map((key) => [key, ""])) };

/** Of a fragment; whatever is in it, a valid state comes out. */
export function parse(fragment) {
	const [path, query = ""] = fragment.replace(/^#\/?/, "").split("?");
	const [first, second = ""] = path.split("/").map(decode);
	const state = { ...EMPTY };
	if (first === "status") state.view = "status";
	if (first === "live") [state.view, state.live] = ["live", second];
	if (first === "calendar") [state.view, state.month] = ["calendar", /^\d{4}-\d\d$/.test(second) ? second : ""];
	if (first === "day" && /^\d{4}-\d\d-\d\d$/.test(second)) state.day = second;
	const params = new URLSearchParams(query);
	for (const key of TEXTS) state[key] = params.get(key) ?? "";
	for (const key of LISTS) state[key] = params.getAll(key);
	return state;
}

function decode(part) {
	try {
		return decodeURIComponent(part);
	} catch {
		return "";
	}
}

export function format(state) {
	const paths = {
		days: state.day ? `day/${state.day}` : "",
		status: "status",
		live: state.live ? `live/${encodeURIComponent(state.live)}` : "live",
		calendar: state.month ? `calendar/${state.month}` : "calendar",
	};
	const params = new URLSearchParams();
	for (const key of TEXTS) if (state[key] !== "") params.set(key, state[key]);
	for (const key of LISTS) for (const value of state[key]) params.append(key, value);
	const query = params.toString().replaceAll("%2F", "/").replaceAll("%40", "@").replaceAll("%3A", ":");
	return `#/${paths[state.view]}${query && `?${query}`}`;
}

let state = { ...EMPTY };
const listeners = [];

export const get = () => state;

/** Calls `act(state, before)` whenever one of these keys changes. */
export function on(keys, act) {
	listeners.push({ keys: keys.split(" "), act });
}

/** Changes some keys. A step that one wants to go back from (another view or day) is a new entry of the history. */
export function set(patch) {
	const before = state;
	state = { ...state, ...patch };
	const next = format(state);
	if (next === format(before)) return;
	const isStep = state.view !== before.view || state.day !== before.day;
	history[isStep ? "pushState" : "replaceState"](null, "", next);
	tell(before);
}

function tell(before) {
	const differs = (key) => String(state[key]) !== String(before[key]);
	for (const { keys, act } of listeners) if (keys.some(differs)) act(state, before);
}

/** Reads the address; from then on follows it, as when one goes back or edits it. */
export function start() {
	state = parse(location.hash);
	addEventListener("popstate", () => {
		const before = state;
		state = parse(location.hash);
		tell(before);
	});
}

/** "NAME@FROM-TO" to {name, from, to}; the range may be missing, a name may hold an @. */
export function parseRange(text) {
	const found = /^(.*)@([\d.]+)-([\d.]+)$/.exec(text);
	return found ? { name: found[1], from: Number(found[2]), to: Number(found[3]) } : { name: text, from: null, to: null };
}

export const formatRange = (name, from, to) => `${name}@${Number(from.toFixed(2))}-${Number(to.toFixed(2))}`;

export function recall(key, otherwise) {
	try {
		return JSON.parse(localStorage.getItem(`soundpost.${key}`)) ?? otherwise;
	} catch {
		return otherwise;
	}
}

export function remember(key, value) {
	try {
		localStorage.setItem(`soundpost.${key}`, JSON.stringify(value));
	} catch {
		// A browser that keeps nothing still shows everything.
	}
}
