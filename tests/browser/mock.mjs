// A small server of soundpost's API over a made-up folder, for work on the page without a recorder.
//   node mock.mjs [PORT]        FULL=3 days of whole sound, EXTRA=60 short ones, PASSWORD= for a log-in
// What only a recorder can do (a split, a gap, a slow answer) is asked for by POST /mock/…; tests/browser/world.mjs does that.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { crc32 } from "./crc32.mjs";
import { Folder, DEFAULTS, OFFSET_S } from "./folder.mjs";
import { RATE, calls, samples, wavHeader } from "./scene.mjs";

const webui = new URL("../../webui/", import.meta.url);
const TYPES = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
const HEADERS = {
	"Content-Security-Policy":
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy": "no-referrer",
};

const key = (name, choices = []) => ({ name, default: "", wants: "a value", help: "It is made up.", unit: null, min: null, max: null, choices, secret: false });
/** A configuration that is shown and cannot be changed. */
const SETTINGS = {
	file: "soundpost.ini",
	text: "[mic]\ntype = tone\n",
	revision: "1",
	locked: "This recorder is made up.",
	has_backup: false,
	groups: [
		{ name: "web", is_source: false, keys: [key("port")] },
		{ name: "lane", is_source: false, keys: [key("split_minutes")] },
		{ name: "tone", is_source: true, keys: [key("type", ["tone"]), key("hz")] },
	],
	values: [],
	problems: [],
	restart_needed: [],
};

class Refused extends Error {
	constructor(status, sentence) {
		super(sentence);
		this.status = status;
	}
}

function zip(entries) {
	const parts = [],
		directory = [];
	let at = 0;
	for (const [name, data] of entries) {
		const head = Buffer.alloc(30),
			list = Buffer.alloc(46),
			label = Buffer.from(name);
		head.writeUInt32LE(0x04034b50, 0);
		list.writeUInt32LE(0x02014b50, 0);
		for (const [into, from] of [
			[head, 4],
			[list, 6],
		]) {
			into.writeUInt16LE(20, from);
			into.writeUInt32LE(crc32(data), from + 10);
			into.writeUInt32LE(data.length, from + 14);
			into.writeUInt32LE(data.length, from + 18);
			into.writeUInt16LE(label.length, from + 22);
		}
		list.writeUInt32LE(at, 42);
		parts.push(head, label, data);
		directory.push(list, label);
		at += 30 + label.length + data.length;
	}
	const end = Buffer.alloc(22),
		middle = Buffer.concat(directory);
	end.writeUInt32LE(0x06054b50, 0);
	end.writeUInt16LE(entries.length, 8);
	end.writeUInt16LE(entries.length, 10);
	end.writeUInt32LE(middle.length, 12);
	end.writeUInt32LE(at, 16);
	return Buffer.concat([...parts, middle, end]);
}

export function mock({ full = 3, extra = 60, password = "" } = {}) {
	let folder = new Folder({ full, extra });
	const listeners = new Set();
	const delays = new Map();
	let work = null,
		alarms = [],
		push = null,
		told = {};
	const send = (kind, data) => listeners.forEach((to) => to.write(`event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`));
	const beat = setInterval(() => listeners.forEach((to) => to.write(": beat\n\n")), 10e3);
	const meter = setInterval(() => {
		const level_db = -46 + 9 * Math.random();
		send("level", { sources: [{ name: "mic", level_db, peak_db: level_db + 11 }] });
	}, 250);

	const fileOf = (name) =>
		folder.files.get(name) ??
		(() => {
			throw new Refused(404, "There is no such recording.");
		})();
	const closed = (name) => {
		const file = fileOf(name);
		if (file.state === "open") throw new Refused(409, "This file is being recorded.");
		return file;
	};
	const detection = (query) => ({
		...DEFAULTS,
		margin_db: Number(query.get("margin") ?? DEFAULTS.margin_db),
		min_gap_s: Number(query.get("min_gap") ?? DEFAULTS.min_gap_s),
		min_length_s: Number(query.get("min_length") ?? DEFAULTS.min_length_s),
		detector: query.get("detector") ?? DEFAULTS.detector,
	});
	const json = (response, value, status = 200) =>
		bytes(response, Buffer.from(JSON.stringify(value)), "application/json", {}, status);
	const bytes = (response, body, type, more = {}, status = 200) => {
		response.writeHead(status, { ...HEADERS, "Content-Type": type, "Content-Length": body.length, ...more });
		response.end(body);
	};

	function list(query) {
		const q = (query.get("q") ?? "").toLowerCase(),
			source = query.get("source"),
			from = query.get("from"),
			to = query.get("to");
		const found = [...folder.files.values()]
			.filter(
				(f) =>
					f.name.toLowerCase().includes(q) &&
					(!source || f.source === source) &&
					(!from || f.date >= from) &&
					(!to || f.date <= to),
			)
			.sort((a, b) => b.startMs - a.startMs || (a.name < b.name ? 1 : -1));
		const at = Number(query.get("cursor") ?? 0),
			limit = Number(query.get("limit") ?? 100);
		return {
			files: found.slice(at, at + limit).map((f) => folder.row(f)),
			total: found.length,
			next: at + limit < found.length ? String(at + limit) : null,
		};
	}

	function wav(response, file, from, to, disposition) {
		const first = Math.round(from * RATE),
			last = Math.min(Math.round(to * RATE), Math.round(file.seconds * RATE));
		if (!(last > first)) throw new Refused(416, "This range holds no sound.");
		const body = Buffer.concat([
			wavHeader(last - first),
			samples(file.name, calls(file.name, folder.hour(file), file.seconds), first, last),
		]);
		bytes(response, body, "audio/wav", {
			"X-Soundpost-From": String(first / RATE),
			"X-Soundpost-To": String(last / RATE),
			...(disposition ? { "Content-Disposition": `attachment; filename="${disposition}"` } : {}),
		});
	}

	function range(query) {
		const source = query.get("source");
		if (!source) return { file: closed(query.get("file")), from: Number(query.get("from")), to: Number(query.get("to")) };
		const at = Date.parse(query.get("from")),
			end = Date.parse(query.get("to"));
		const file = [...folder.files.values()].find(
			(f) => f.source === source && f.startMs <= at && at < f.startMs + f.seconds * 1000,
		);
		if (!file) throw new Refused(404, "Nothing was recorded then.");
		return { file, from: (at - file.startMs) / 1000, to: (end - file.startMs) / 1000 };
	}

	/** Whole recordings are made as they are read: an hour is not held. */
	async function stream(request, response, file, more) {
		const frames = Math.round(file.seconds * RATE),
			size = 44 + frames * 2;
		const asked = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
		let from = 0,
			to = size - 1;
		if (asked) {
			from = asked[1] === "" ? size - Number(asked[2]) : Number(asked[1]);
			to = asked[1] !== "" && asked[2] !== "" ? Math.min(Number(asked[2]), size - 1) : size - 1;
		}
		if (from > to) throw new Refused(416, "This range is not in the file.");
		response.writeHead(asked ? 206 : 200, {
			...HEADERS,
			"Content-Type": "audio/wav",
			"Content-Length": to - from + 1,
			"Accept-Ranges": "bytes",
			...(asked ? { "Content-Range": `bytes ${from}-${to}/${size}` } : {}),
			...(file.state === "open" ? { "Cache-Control": "no-store" } : {}),
			...more,
		});
		if (request.method === "HEAD") return response.end();
		const header = wavHeader(frames),
			found = calls(file.name, folder.hour(file), file.seconds);
		for (let at = from; at <= to && !response.destroyed;) {
			const end = Math.min(at + 65536, to + 1);
			let part;
			if (at < 44) part = header.subarray(at, Math.min(44, end));
			else {
				const first = (at - 44) >> 1;
				part = samples(file.name, found, first, Math.ceil((end - 44) / 2)).subarray((at - 44) & 1, ((at - 44) & 1) + end - at);
			}
			at += part.length;
			if (!response.write(part))
				await new Promise((ready) => {
					const go = () => (response.off("drain", go), response.off("close", go), ready());
					response.on("drain", go);
					response.on("close", go);
				});
		}
		response.end();
	}

	function exported(file, kind) {
		const found = folder.sections(file);
		if (kind === "labels.txt") return found.map((s) => `${s.from_s}\t${s.to_s}\t${s.score_db} dB\n`).join("");
		if (kind === "events.csv")
			return `from_s,to_s,score_db\n${found.map((s) => `${s.from_s},${s.to_s},${s.score_db}\n`).join("")}`;
		return `Selection\tBegin Time (s)\tEnd Time (s)\n${found.map((s, i) => `${i + 1}\t${s.from_s}\t${s.to_s}\n`).join("")}`;
	}

	async function aFile(request, response, path, query) {
		const parts = path.split("/");
		const verbs = ["analysis", "profile", "spectrogram", "lock", "reviewed", "note", "raven.txt", "labels.txt", "events.csv"];
		const verb = parts.length > 1 && verbs.includes(parts.at(-1)) ? parts.pop() : null;
		const name = parts.map(decodeURIComponent).join("/");
		if (request.method === "PUT") {
			const body = JSON.parse(await text(request));
			const file = fileOf(name);
			if (verb === "lock") file.locked = body.locked;
			if (verb === "reviewed") file.reviewed = body.reviewed;
			if (verb === "note") file.note = body.note;
			send("changed", folder.row(file));
			return json(response, folder.row(file));
		}
		if (request.method === "DELETE") {
			const file = closed(name);
			if (file.locked) throw new Refused(423, "This recording is locked.");
			folder.files.delete(name);
			send("deleted", { name });
			response.writeHead(204, HEADERS);
			return response.end();
		}
		if (!verb) return json(response, folder.row(fileOf(name)));
		const file = closed(name);
		if (verb === "profile") return bytes(response, folder.profile(file), "application/octet-stream");
		if (verb === "analysis") {
			const asked = detection(query);
			return json(response, {
				name,
				version: folder.row(file).version,
				...asked,
				sections: folder.sections(file, asked),
				floor_db: [],
				quality: {},
				indices: [],
				labels: [],
			});
		}
		if (verb === "spectrogram") {
			const [from, to, columns, bands] = ["from", "to", "columns", "bands"].map((key) => Number(query.get(key)));
			if (to - from > 60) throw new Refused(416, "At most 60 seconds are computed at once.");
			return bytes(response, folder.spectrogram(file, from, to, columns, bands), "application/octet-stream");
		}
		return bytes(response, Buffer.from(exported(file, verb)), "text/plain", {
			"Content-Disposition": `attachment; filename="${name.split("/").pop()}.${verb}"`,
		});
	}

	async function keep(request, response, source) {
		const { seconds = 30, note = "" } = JSON.parse((await text(request)) || "{}");
		const growing = [...folder.files.values()].find((file) => file.state === "open" && file.source === source);
		if (!growing) throw new Refused(409, "Nothing of this source is recorded yet, or not lately.");
		const file = Object.assign(folder.add(source, Date.now() - seconds * 1000, seconds), { locked: true, note });
		send("closed", folder.row(file));
		json(response, { clips: [folder.row(file)] });
	}

	const status = () => {
		const growing = [...folder.files.values()].find((file) => file.state === "open");
		return {
			software: "soundpost 0.1.0",
			mode: "record",
			folder: "/srv/recordings",
			read_only: false,
			open: !password,
			now: new Date().toISOString(),
			time_zone: "Europe/Berlin",
			utc_offset_s: OFFSET_S,
			clock: { synced: true, source: "system", reference: null },
			retention: null,
			uploads: [],
			disk: { free_bytes: 48.2e9, total_bytes: 128e9, hours_left: 139 },
			detection: DEFAULTS,
			work,
			alarms,
			sources: [
				{
					name: "mic",
					state: growing ? "recording" : "waiting",
					file: growing?.name ?? null,
					level_db: -43.2,
					peak_db: -31,
					rate_hz: RATE,
					channels: 1,
					frames: 123456789,
					xruns: 0,
					gaps: folder.gaps.length,
					frames_unheard: 0,
					icecast: push,
					drift_ppm: 3.2,
					since: new Date(folder.midnight).toISOString(),
					trouble: null,
				},
				{
					name: "radio",
					state: "waiting",
					file: null,
					level_db: null,
					peak_db: null,
					rate_hz: null,
					channels: null,
					frames: 0,
					xruns: 0,
					gaps: 0,
					frames_unheard: 0,
					icecast: null,
					drift_ppm: null,
					since: null,
					trouble: "The server answered 404; the next try is at 15:10.",
				},
			],
			...told,
		};
	};

	async function control(request, response, path) {
		const body = JSON.parse((await text(request)) || "{}");
		const growing = [...folder.files.values()].find((file) => file.state === "open");
		if (path === "reset") folder = new Folder({ full, extra });
		if (path === "grow") growing.seconds += body.seconds;
		if (path === "close" && growing) {
			growing.state = "analysed";
			growing.revision += 1;
			folder.profiles.delete(growing.name);
			growing.found = growing.levels = null;
			send("closed", { ...folder.row(growing), state: "closed", sections: [] });
			send("analysed", folder.row(growing));
		}
		if (path === "open") send("opened", folder.row(folder.open("mic", Date.now(), 5)));
		if (path === "gap") {
			const at = Date.now(),
				gap = {
					source: "mic",
					start: new Date(at - 5000).toISOString(),
					end: new Date(at).toISOString(),
					frames_lost: 240000,
					reason: "xrun",
				};
			folder.gaps.push({ ...gap, date: folder.dates()[0] });
			send("gap", gap);
		}
		if (path === "work") send("work", (work = body.total ? body : null) ?? { what: "analyse", done: 1, total: 1 });
		if (path === "alarm") {
			alarms = body.text ? [{ since: new Date().toISOString(), text: body.text }] : [];
			send("alarm", alarms[0] ?? {});
		}
		if (path === "push") push = body;
		// What the status tells besides.
		if (path === "status") told = body;
		if (path === "event") send(body.kind, body.data);
		if (path === "empty") folder.files.clear();
		if (path === "delay") body.ms ? delays.set(body.path, body.ms) : delays.clear();
		json(response, { growing: growing?.name ?? null });
	}

	async function answer(request, response) {
		const url = new URL(request.url, "http://mock"),
			path = url.pathname,
			query = url.searchParams;
		for (const [part, ms] of delays) if (path.includes(part)) await new Promise((ready) => setTimeout(ready, ms));
		if (path.startsWith("/mock/")) return control(request, response, path.slice(6));
		if (path === "/healthz") return bytes(response, Buffer.from("ok"), "text/plain");
		if (path === "/api/login") {
			if (JSON.parse(await text(request)).password !== password) throw new Refused(401, "This password is not right.");
			response.writeHead(204, { ...HEADERS, "Set-Cookie": "soundpost=yes; HttpOnly; SameSite=Strict" });
			return response.end();
		}
		const inside = path.startsWith("/api/") || path.startsWith("/stream/") || path.startsWith("/download/");
		if (password && inside && !/soundpost=yes/.test(request.headers.cookie ?? "")) throw new Refused(401, "Log in first.");
		if (path === "/api/events") {
			response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
			response.write(": beat\n\n");
			listeners.add(response);
			return response.on("close", () => listeners.delete(response));
		}
		if (path === "/api/status") return json(response, status());
		if (path === "/api/schedule") return json(response, { sources: [] });
		if (path === "/api/settings") return json(response, SETTINGS);
		if (path === "/api/settings/check") return json(response, { problems: [] });
		if (path === "/api/live") return json(response, { sources: status().sources, devices: [] });
		if (path === "/api/days") return json(response, { days: folder.dates().map((date) => folder.dayRow(date)) });
		let found;
		if ((found = /^\/api\/days\/([\d-]+)\/picture$/.exec(path)))
			return bytes(response, folder.picture(found[1]), "application/octet-stream");
		if ((found = /^\/api\/days\/([\d-]+)$/.exec(path))) {
			if (!folder.of(found[1]).length) throw new Refused(404, "Nothing was recorded on this day.");
			return json(response, folder.day(found[1], detection(query)));
		}
		if (path === "/api/files") return json(response, list(query));
		if (path.startsWith("/api/files/")) return aFile(request, response, path.slice(11), query);
		if (path.startsWith("/api/sources/") && path.endsWith("/mark")) return keep(request, response, decodeURIComponent(path.split("/")[3]));
		if (path === "/api/clip" || path === "/api/cut") {
			const { file, from, to } = range(query);
			return wav(
				response,
				file,
				from,
				path === "/api/clip" ? Math.min(to, from + 600) : to,
				path === "/api/cut" ? `${file.name.split("/").pop().replace(".wav", "")}_cut.wav` : null,
			);
		}
		if (path === "/api/export.zip") {
			const entries = query
				.getAll("name")
				.flatMap((name) => [[`${name}.events.csv`, Buffer.from(exported(closed(name), "events.csv"))]]);
			return bytes(response, zip(entries), "application/zip", { "Content-Disposition": 'attachment; filename="soundpost.zip"' });
		}
		if ((found = /^\/(stream|download)\/(.+)$/.exec(path))) {
			const file = fileOf(found[2].split("/").map(decodeURIComponent).join("/"));
			return stream(request, response, file, found[1] === "download" ? { "Content-Disposition": "attachment" } : {});
		}
		const asset = path === "/" ? "index.html" : path.slice(1);
		const type = TYPES[asset.split(".").pop()];
		if (!/^[a-z]+\.[a-z]+$/.test(asset) || !type) throw new Refused(404, "There is nothing here.");
		return bytes(response, await readFile(new URL(asset, webui)), type, { "Cache-Control": "no-cache" });
	}

	const server = createServer((request, response) =>
		answer(request, response).catch((error) => {
			if (response.headersSent) return response.destroy();
			json(
				response,
				{ error: error.code === "ENOENT" ? "There is nothing here." : error.message },
				error.status ?? (error.code === "ENOENT" ? 404 : 500),
			);
		}),
	);
	server.on("close", () => {
		clearInterval(beat);
		clearInterval(meter);
	});
	return server;
}

async function text(request) {
	let all = "";
	for await (const part of request) all += part;
	return all;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
	const port = Number(process.argv[2] ?? 8080);
	const settings = {
		full: Number(process.env.FULL ?? 3),
		extra: Number(process.env.EXTRA ?? 60),
		password: process.env.PASSWORD ?? "",
	};
	mock(settings).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/`));
}
