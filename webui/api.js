// Every request to the recorder, and every address of it. Addresses are relative: the page works below any path of a proxy.
// A 401 asks for the password once and goes on; a 503 waits as long as the recorder says; an error is one sentence to show.

class Refusal extends Error {
	constructor(status, sentence, body) {
		super(sentence);
		Object.assign(this, { status, body });
	}
}

let askPassword = async () => false;
/** `ask` shows a log-in form and answers true when one is in. */
export const onLocked = (ask) => (askPassword = ask);

const encoded = (name) => name.split("/").map(encodeURIComponent).join("/");
const query = (values) => {
	const text = new URLSearchParams(Object.entries(values).filter(([, value]) => value != null && value !== "")).toString();
	return text && `?${text}`;
};
const seconds = (s) => Number(Math.max(0, s).toFixed(3));

export const urls = {
	stream: (file, fresh) => `stream/${encoded(file.name)}${file.state === "open" ? `?fresh=${fresh}` : ""}`,
	spectrum: (source) => `api/live/${encodeURIComponent(source)}/spectrum`,
	waterfall: (source) => `api/live/${encodeURIComponent(source)}/waterfall`,
	wav: (source) => `live/${encodeURIComponent(source)}.wav`,
	opus: (source) => `live/${encodeURIComponent(source)}.opus`,
	download: (name) => `download/${encoded(name)}`,
	export: (name, kind) => `api/files/${encoded(name)}/${kind}`,
	zip: (names) => `api/export.zip?${names.map((name) => `name=${encodeURIComponent(name)}`).join("&")}`,
	cut: (name, from, to) => `api/cut${query({ file: name, from: seconds(from), to: seconds(to) })}`,
	/** A closed file by its seconds; a growing one by absolute time, which alone reaches into it. */
	clip(file, from, to) {
		if (file.state !== "open") return `api/clip${query({ file: file.name, from: seconds(from), to: seconds(to) })}`;
		const at = (s) => new Date(Date.parse(file.start) + s * 1000).toISOString();
		return `api/clip${query({ source: file.source, from: at(from), to: at(to) })}`;
	},
};

const pending = new Set();
let showPending = () => {};
/** `show(n)` is told how many requests have lasted over half a second. */
export const onSlow = (show) => (showPending = show);

async function send(path, options = {}) {
	const mark = {};
	const slow = setTimeout(() => showPending(pending.add(mark).size), 500);
	try {
		return await sendOnce(path, options, 3);
	} finally {
		clearTimeout(slow);
		if (pending.delete(mark)) showPending(pending.size);
	}
}

async function sendOnce(path, options, tries) {
	let response;
	try {
		response = await fetch(path, { credentials: "same-origin", ...options });
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Refusal(0, "The recorder cannot be reached.");
	}
	if (response.ok) return response;
	if (response.status === 401 && !path.startsWith("api/login") && (await askPassword())) return sendOnce(path, options, tries);
	if (response.status === 503 && tries > 0) {
		const wait = Math.min(Number(response.headers.get("Retry-After")) || 1, 10);
		await new Promise((ready) => setTimeout(ready, wait * 1000));
		return sendOnce(path, options, tries - 1);
	}
	const body = await response.json().catch(() => null);
	throw new Refusal(response.status, body?.error ?? `The recorder answered ${response.status}.`, body);
}

const getJson = async (path, options) => (await send(path, options)).json();

/** Bytes, with progress(part or null, "1.2 MB") as they come. */
async function getBytes(path, { progress, ...options } = {}) {
	const response = await send(path, options);
	// A compressed answer has a length that is not the one of its bytes: then only what has come is told.
	const isPlain = !response.headers.get("Content-Encoding");
	const length = isPlain ? Number(response.headers.get("Content-Length")) : 0;
	if (!progress || !response.body) return response.arrayBuffer();
	const parts = [];
	let got = 0;
	for (const reader = response.body.getReader(); ;) {
		const { done, value } = await reader.read();
		if (done) break;
		parts.push(value);
		got += value.length;
		progress(length ? Math.min(1, got / length) : null, `${(got / 1e6).toFixed(1)} MB`);
	}
	return new Blob(parts).arrayBuffer();
}

/** Changes something; `body` is what is sent, `headers` say more. */
const change = (method, path, body, headers) =>
	send(path, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
const changed = async (...request) => (await change(...request)).json();
const put = (name, what, body) => changed("PUT", `api/files/${encoded(name)}/${what}`, body);
const of = (revision) => ({ "If-Match": `"${revision}"` });

export const api = {
	status: () => getJson("api/status"),
	live: () => getJson("api/live"),
	days: () => getJson("api/days").then((answer) => answer.days),
	day: (date, detection) => getJson(`api/days/${date}${query(detection)}`),
	picture: (date, options) => getBytes(`api/days/${date}/picture`, options),
	files: (filter) => getJson(`api/files${query(filter)}`),
	file: (name) => getJson(`api/files/${encoded(name)}`),
	analysis: (file) => getJson(`api/files/${encoded(file.name)}/analysis${query({ v: file.version })}`),
	profile: (file, options) => getBytes(`api/files/${encoded(file.name)}/profile${query({ v: file.version })}`, options),
	spectrogram: (name, range, options) => getBytes(`api/files/${encoded(name)}/spectrogram${query(range)}`, options),
	reviewed: (name, reviewed) => put(name, "reviewed", { reviewed }),
	lock: (name, locked) => put(name, "lock", { locked }),
	note: (name, note) => put(name, "note", { note }),
	keep: (source, seconds) => changed("POST", `api/sources/${encodeURIComponent(source)}/mark`, { seconds }),
	remove: (name) => send(`api/files/${encoded(name)}`, { method: "DELETE" }),
	login: (password) => change("POST", "api/login", { password }),
	schedule: () => getJson("api/schedule"),
	settings: () => getJson("api/settings"),
	checkSettings: (text) => changed("POST", "api/settings/check", { text }),
	saveSettings: (text, revision) => changed("PUT", "api/settings", { text }, of(revision)),
	undoSettings: (revision) => changed("POST", "api/settings/undo", null, of(revision)),
	setClock: (time) => changed("POST", "api/clock", { time }),
	head: (path) => send(path, { method: "HEAD" }),
};
