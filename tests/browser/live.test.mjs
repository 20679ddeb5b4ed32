// The live view over a recorder of a tone of 3 kHz at -12 dBFS (TONE=, its name): what is seen and heard is that tone, soon; and the
// recorder is left alone when the view is.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { DESKTOP, PHONE, api, encoded, openRow, row, shot, until, withPage } from "./world.mjs";

const { TONE: tone, SPARE: spare } = process.env;
const HZ = 3000,
	RATE = 48000;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A test of the live view, where there is a tone. */
function live(name, options, act) {
	test(`Live view: ${name}`, { skip: !tone && "no TONE is recorded" }, withPage({ hash: `#/live/${tone}`, ready: ".waterfall", ...options }, act));
}

/** The brightest line of a column of the picture, as a part of its height from below, or null. */
const brightest = (page) =>
	page.locator(".waterfall canvas").first().evaluate((canvas) => {
		const x = Math.round(canvas.width * 0.9);
		const { data } = canvas.getContext("2d").getImageData(x, 0, 1, canvas.height);
		const light = Array.from({ length: canvas.height }, (_, y) => data[4 * y] + data[4 * y + 1] + data[4 * y + 2]);
		const most = Math.max(...light);
		return most < 300 ? null : 1 - (light.indexOf(most) + light.lastIndexOf(most) + 1) / 2 / canvas.height;
	});

live("the waterfall is bright at the tone, and tells its frequency and level", {}, async (page) => {
	await page.getByRole("heading", { name: tone }).waitFor();
	await until("the tone is seen", async () => {
		const at = await brightest(page);
		return at !== null && Math.abs((at * RATE) / 2 - HZ) < 150;
	});
	const canvas = page.locator(".waterfall canvas").first();
	const box = await canvas.boundingBox();
	await page.mouse.move(box.x + box.width * 0.8, box.y + box.height * (1 - HZ / (RATE / 2)));
	await until("what is under the pointer", () => page.locator(".looked").textContent().then((text) => /^3 kHz {2}−1[2-5]\.\d dB$/.test(text)));

	await page.getByRole("slider", { name: "up to" }).fill("2");
	await until("half of the height is half as many hertz", async () => {
		const at = await brightest(page);
		return at !== null && Math.abs((at * RATE) / 8 - HZ) < 60;
	});
});

live("it moves until it is stopped, and then one looks back", {}, async (page) => {
	const canvas = page.locator(".waterfall canvas").first();
	const picture = () => canvas.evaluate((node) => node.toDataURL());
	const columns = () => canvas.evaluate((node) => node.getContext("2d").getImageData(0, 0, node.width, 1).data.filter((v, i) => i % 4 === 3 && v > 0).length);
	await until("some seconds are there", () => columns().then((count) => count > 100));
	const pause = page.getByRole("button", { name: /^Stop the picture/ });
	await pause.click();
	assert.equal(await pause.getAttribute("aria-pressed"), "true");
	const stopped = await picture();
	await new Promise((ready) => page.evaluate(() => new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)))).then(ready));
	assert.equal(await picture(), stopped, "it stands");
	const before = await columns();
	await canvas.focus();
	await page.keyboard.press("ArrowLeft");
	await until("a second back there is a second less", () => columns().then((count) => count < before));
	await pause.click();
	await until("it moves again", () => picture().then((now) => now !== stopped));
});

live("meter and bars", {}, async (page) => {
	const meter = page.getByRole("meter", { name: `Level of ${tone}` }).last();
	await until("the level", () => meter.getAttribute("aria-valuenow"), "-15");
	await until("its figures", () => page.locator(".meter-figures").textContent(), "−15.0 dB, peak −12.0");
	const tallest = () =>
		page.locator(".bars").evaluate((canvas) => {
			const { data } = canvas.getContext("2d").getImageData(0, Math.round(canvas.height * 0.45), canvas.width, 1);
			const lit = Array.from({ length: canvas.width }, (_, x) => x).filter((x) => data[4 * x + 3] > 0);
			return lit.length ? Math.floor((32 * (lit[0] + lit.at(-1))) / 2 / canvas.width) : -1;
		});
	await until("the band of the tone is the tallest", () => tallest().then((band) => band === 23 || band === 24));
});

live("Listen", {
	prepare: (page) =>
		page.addInitScript(() => {
			globalThis.heard = { samples: [], rate: 0, clicked: 0, first: 0 };
			const start = AudioBufferSourceNode.prototype.start;
			AudioBufferSourceNode.prototype.start = function (when) {
				const { heard } = globalThis;
				heard.first ||= performance.now() + (when - this.context.currentTime) * 1000;
				heard.rate = this.buffer.sampleRate;
				if (heard.samples.length < 48000) heard.samples.push(...this.buffer.getChannelData(0));
				return start.call(this, when);
			};
			addEventListener("click", () => (globalThis.heard.clicked = performance.now()), true);
		}),
}, async (page, { t }) => {
	const button = page.getByRole("button", { name: "Listen", exact: true });
	await button.click();
	await until("how late it is", () => page.locator(".latency").textContent().then((text) => /^about \d+ ms behind/.test(text)));
	await until("a second is heard", () => page.evaluate(() => globalThis.heard.samples.length >= 48000));
	const { samples, rate, clicked, first } = await page.evaluate(() => globalThis.heard);
	const rises = samples.filter((value, n) => n > 0 && samples[n - 1] < 0 && value >= 0).length;
	const hz = (rises / samples.length) * rate;
	assert.ok(Math.abs(hz - HZ) < 30, `${hz} Hz`);
	// A machine that has other work may skip a piece here and there; each costs a period of 16 samples.
	const steps = samples.filter((value, n) => n >= 16 && Math.abs(value - samples[n - 16]) > 0.001).length;
	assert.ok(steps < samples.length / 20, `${steps} of ${samples.length} samples are not the tone`);
	t.diagnostic(`click to sound ${Math.round(first - clicked)} ms, ${await page.locator(".latency").textContent()}`);
	assert.ok(first - clicked < 3000, `${first - clicked} ms`);
	await page.getByRole("button", { name: "Stop listening" }).click();
	await until("it has stopped", () => page.getByRole("button", { name: "Listen", exact: true }).getAttribute("aria-pressed"), "false");
});

live("Keep the last 30 s, of what is heard just now", {}, async (page) => {
	const button = page.getByRole("button", { name: `Keep the last 30 s of ${tone}` });
	await button.click();
	const words = await until("it is kept", () => page.locator("#spoken").textContent().then((text) => /^Kept: (\S+_mark_\d{6}\S*)\.$/.exec(text)));
	const clip = await api(`api/files/${encoded(words[1])}`);
	assert.deepEqual([clip.locked, clip.source, clip.details.end_reason, clip.details.mark.seconds], [true, tone, "mark", 30]);
	assert.ok(clip.duration_s > 0.5 && clip.duration_s < 34, `${clip.duration_s} s`);
	await until("it can be done again", () => button.getAttribute("aria-busy"), "false");
	await page.getByRole("button", { name: "Live", exact: true }).click();
	const kept = row(page, words[1]);
	await kept.locator(".badge.locked").waitFor();
	await page.locator(".row.recording .badge.marked").waitFor();
	await page.locator(".activity .bookmark").first().waitFor({ state: "attached" });
	await shot(page, "live kept");
	const recording = page.locator(".row.recording").first();
	await openRow(page, await recording.locator(".name").textContent());
	await recording.locator(".facts").getByText(`kept as ${words[1]}`).first().waitFor();
	await page.getByRole("button", { name: "Status" }).click();
	await page.getByRole("button", { name: `Keep the last 30 s of ${tone}` }).click();
	await until("from there too", () => page.locator("#spoken").textContent().then((text) => text.startsWith("Kept: ") && !text.includes(`${words[1]}.`)));
});

live("a device that is not recorded", {}, async (page) => {
	await page.getByText(/^Not recorded: \d+$/).click();
	await page.getByRole("button", { name: `rig ${spare}` }).click();
	await page.getByRole("heading", { name: spare }).waitFor();
	await until("its tone of 6 kHz is seen", async () => {
		const at = await brightest(page);
		return at !== null && Math.abs((at * RATE) / 2 - 2 * HZ) < 150;
	});
	await until("its meter moves", () => page.locator(".meter-figures").textContent().then((text) => text.startsWith("−15.")));
	assert.equal(await page.getByRole("button", { name: /^Keep/ }).count(), 0, "nothing of it is kept");
	assert.deepEqual((await api("api/live")).sources.map(({ name }) => name), [tone]);
	await shot(page, "live not recorded");
	await page.getByRole("button", { name: tone, exact: true }).click();
	await page.getByRole("heading", { name: tone }).waitFor();
});

live("whoever leaves is left alone", {}, async (page) => {
	const open = new Set();
	page.on("request", (request) => /\/live\//.test(request.url()) && open.add(request));
	for (const kind of ["requestfinished", "requestfailed"]) page.on(kind, (request) => open.delete(request));
	await page.getByRole("button", { name: "Status" }).click();
	await page.getByRole("button", { name: "Live", exact: true }).click();
	await until("it looks", () => open.size, 2);
	await page.getByRole("button", { name: "Status" }).click();
	await until("it looks no more", () => open.size, 0);
});

for (const [device, size] of [["desktop", DESKTOP], ["phone", PHONE]]) {
	for (const theme of ["dark", "light"]) {
		live(`axe finds nothing, ${theme}, ${device}`, { size, theme }, async (page) => {
			await until("the tone is seen", () => brightest(page).then((at) => at !== null));
			await until("the level", () => page.locator(".meter-figures").textContent().then((text) => text.includes("dB")));
			await shot(page, `live ${theme} ${device}`);
			await page.evaluate(axe);
			const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
			assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target} ${nodes[0].failureSummary}`), []);
			assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
		});
	}
}
