// Numbers as people read and type them: times, sizes, lengths, frequencies. Pure text; nothing of the page is known here.

export const clamp = (n, least, most) => Math.min(Math.max(n, least), most);
const pad = (n) => String(n).padStart(2, "0");

/** Seconds as `m:ss` or `h:mm:ss`, with tenths if asked: what the cut panel takes and every player shows. */
export function clock(seconds, tenths = false) {
	if (!Number.isFinite(seconds) || seconds < 0) return "–:––";
	const unit = tenths ? 10 : 1;
	const all = tenths ? Math.round(seconds * 10) : Math.floor(seconds + 1e-6);
	const whole = Math.floor(all / unit);
	const h = Math.floor(whole / 3600),
		m = Math.floor(whole / 60) % 60,
		s = whole % 60;
	const tail = tenths ? `.${all % 10}` : "";
	return h > 0 ? `${h}:${pad(m)}:${pad(s)}${tail}` : `${m}:${pad(s)}${tail}`;
}

/** `m:ss`, `h:mm:ss` or seconds, each with a fraction if wanted, to seconds; null when it is none of these. */
export function parseClock(text) {
	const found = /^\s*(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:[.,]\d+)?)\s*$/.exec(text);
	if (!found) return null;
	const [h, m, s] = [found[1], found[2], found[3].replace(",", ".")].map((part) => Number(part ?? 0));
	if (found[2] !== undefined && s >= 60) return null;
	if (found[1] !== undefined && m >= 60) return null;
	return h * 3600 + m * 60 + s;
}

/** Time of day of a second since local midnight: `04:12:31`. Past midnight it goes on from 00. */
export function timeOfDay(second, withSeconds = true) {
	const all = ((Math.floor(second + 1e-6) % 86400) + 86400) % 86400;
	const hm = `${pad(Math.floor(all / 3600))}:${pad(Math.floor(all / 60) % 60)}`;
	return withSeconds ? `${hm}:${pad(all % 60)}` : hm;
}

/** As {@link timeOfDay} without seconds, but the end of a day is 24:00. */
export const endOfDay = (second) => (Math.abs(second - 86400) < 30 ? "24:00" : timeOfDay(second, false));

/** Seconds since local midnight of `HH:MM:SS`. */
export function secondOfDay(local) {
	const [h, m, s] = local.split(":").map(Number);
	return h * 3600 + m * 60 + (s || 0);
}

/** A length in words that stay short: `23 h 58 min`, `4 min 10 s`, `12 s`. */
export function span(seconds) {
	const all = Math.round(seconds);
	const h = Math.floor(all / 3600),
		m = Math.floor(all / 60) % 60,
		s = all % 60;
	if (h > 0) return m > 0 ? `${h} h ${m} min` : `${h} h`;
	if (m > 0) return s > 0 ? `${m} min ${s} s` : `${m} min`;
	return `${s} s`;
}

export function bytes(n) {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let at = 0;
	while (n >= 999.5 && at < units.length - 1) {
		n /= 1000;
		at += 1;
	}
	return `${at === 0 || n >= 99.5 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** `3–8 kHz`, `800 Hz–1.2 kHz`; empty when no band is known. */
export function band(lo, hi) {
	if (lo == null || hi == null) return "";
	const khz = (f) => (f >= 9950 ? String(Math.round(f / 1000)) : String(Number((f / 1000).toFixed(1))));
	if (hi < 1000) return `${Math.round(lo)}–${Math.round(hi)} Hz`;
	return `${khz(lo)}–${khz(hi)} kHz`;
}

export const hz = (f) => (f >= 1000 ? `${Number((f / 1000).toFixed(f >= 9950 ? 0 : 1))} kHz` : `${Math.round(f)} Hz`);

// A date is a local one already: it is put at noon UTC and shown in UTC, so that no zone of the browser moves it.
const dated = (date, options) => new Date(`${date}T12:00:00Z`).toLocaleDateString("en-GB", { ...options, timeZone: "UTC" });
export const dateLong = (date) =>
	dated(date, { weekday: "short", day: "numeric", month: "short", year: "numeric" }).replace(",", "");
export const monthLong = (month) => dated(`${month}-01`, { month: "long", year: "numeric" });

export const extension = (name) => (/\.([a-z0-9]+)$/i.exec(name.replace(/\.part$/, ""))?.[1] ?? "").toUpperCase();
