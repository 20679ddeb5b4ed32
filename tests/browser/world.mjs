// What every test stands on: a browser, a recorder to talk to, and ways to wait for what one wants to see instead of for a time.
//   BASE_URL=     a recorder over a folder prepared for the tests; without it the mock is started
//   STATION=      the station that it records, which takes orders; without it nothing is recorded
//   TONE=         a source of a tone that it records, for live.test.mjs and audio.test.mjs
//   MOUNT=        a mount of its relay that somebody feeds a tone of 440 Hz, for audio.test.mjs
//   CONFIG=       the configuration of that recorder, and KEY=, the password of its page, for settings.test.mjs
//   LABELS=       a recording that programs were run over, for labels.test.mjs
//   CLOCK=        nothing has set the clock of that recorder, for clock.test.mjs
//   STORAGE=      a locked recording of a recorder that deletes the others, for storage.test.mjs
//   SCREENSHOTS=  where pictures are put
//   CHROMIUM=     the browser, /usr/bin/chromium
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { mock } from "./mock.mjs";

export const PATIENCE = 30e3;
const shots = process.env.SCREENSHOTS,
	station = process.env.STATION;
let browser, server;

/** Begun by the first test that needs it: of most files no test is run in most passes, and a browser takes seconds to begin. */
function launched() {
	browser ??= import("playwright-core").then(({ chromium }) =>
		chromium.launch({
			executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
			args: ["--no-sandbox", "--autoplay-policy=user-gesture-required"],
		}),
	);
	return browser;
}

export let base = process.env.BASE_URL?.replace(/\/?$/, "/");

before(async () => {
	if (base) return;
	server = mock({ full: 2, extra: 60 });
	await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
	base = `http://127.0.0.1:${server.address().port}/`;
});

after(async () => {
	await (await browser)?.close();
	server?.closeAllConnections();
	server?.close();
});

export const isMock = () => server !== undefined;
export const DESKTOP = { width: 1440, height: 900 },
	PHONE = { width: 390, height: 844 };

/** Runs a test on a page of its own; what the page complains of fails it. */
export function withPage(options, act) {
	return async (t) => {
		const { hash = "", size = DESKTOP, theme = "dark", ready = ".row", prepare, allow } = options;
		const chromium = await launched();
		const context = await chromium.newContext({
			viewport: size,
			colorScheme: theme,
			reducedMotion: options.motion ?? "reduce",
			hasTouch: size === PHONE,
			acceptDownloads: true,
		});
		context.setDefaultTimeout(PATIENCE);
		const page = await context.newPage();
		const complaints = [],
			requests = [];
		page.on("pageerror", (error) => complaints.push(error.stack));
		page.on("console", (message) => {
			const said = `${message.text()} ${message.location().url}`;
			if (message.type() === "error" && !allow?.test(said)) complaints.push(said);
		});
		page.on("request", (request) => requests.push(decodeURIComponent(request.url().slice(base.length))));
		try {
			await prepare?.(page);
			await page.goto(`${base}${hash}`);
			if (ready) await page.locator(ready).first().waitFor();
			await act(page, { t, requests, context });
		} catch (error) {
			await shot(page, `failed ${t.name}`).catch(() => {});
			throw error;
		} finally {
			await context.close();
		}
		if (complaints.length > 0) throw new Error(`the page complained:\n${complaints.join("\n")}`);
	};
}

export async function shot(page, name) {
	if (!shots) return;
	await mkdir(shots, { recursive: true });
	await page.screenshot({ path: join(shots, `${name.replace(/[^\w-]+/g, "-")}.png`) });
}

/** Asks again until the answer is true or equal to what is expected; says what the last answer was. */
export async function until(what, ask, expected = true) {
	const end = Date.now() + PATIENCE;
	let last;
	for (;;) {
		last = await ask();
		if (last === expected || (expected === true && last)) return last;
		if (Date.now() > end) throw new Error(`${what}: expected ${JSON.stringify(expected)}, last seen ${JSON.stringify(last)}`);
		await new Promise((ready) => setTimeout(ready, 50));
	}
}

export async function api(path, options) {
	const answer = await fetch(base + path, options);
	if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
	return answer.status === 204 ? null : answer.json();
}

export const encoded = (name) => name.split("/").map(encodeURIComponent).join("/");
export const days = async () => (await api("api/days")).days;

/** The newest day with its files: {date, files: oldest first, …}. */
export const newestDay = async () => api(`api/days/${(await days())[0].date}`);

/** A closed recording of the newest day with at least so many sections. */
export async function aRecording(least = 3) {
	const day = await newestDay();
	const found = day.files.filter((file) => file.state === "analysed" && file.sections.length >= least && !file.locked).at(-1);
	if (!found) throw new Error(`the folder has no recording with ${least} sections on its newest day`);
	return found;
}

export const row = (page, name) =>
	page
		.locator(".row")
		.filter({ has: page.locator(".name", { hasText: new RegExp(`^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`) }) });

export async function openRow(page, name) {
	const found = row(page, name);
	await found.locator(".toggle").click();
	await found.locator(".player").waitFor();
	return found;
}

export const url = (page) => page.evaluate(() => decodeURIComponent(location.hash));

/** What only a recorder does: a recording begins, grows, ends. By the mock's own door, or by what its station sends. */
export const recorder = {
	isThere: () => isMock() || Boolean(station),
	async ask(what, body = {}) {
		return api(`mock/${what}`, { method: "POST", body: JSON.stringify(body) });
	},
	/** Ends the recording that goes on, and begins another. */
	async split() {
		if (isMock()) {
			await this.ask("close");
			return this.ask("open");
		}
		const before = await recording();
		await fetch(`${station}split`);
		return until("another recording is begun", async () => ![before, undefined].includes(await recording()));
	},
	async grow(seconds) {
		return isMock() ? this.ask("grow", { seconds }) : fetch(`${station}grow/${seconds}`);
	},
};

const recording = async () => (await newestDay()).files.find((file) => file.state === "open")?.name;
