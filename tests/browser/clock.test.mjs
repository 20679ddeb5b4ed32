// A recorder whose clock nothing has set (CLOCK=), looked at by a phone that knows the time: ten days later.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flawless } from "./axe.mjs";
import { PHONE, api, shot, until, withPage } from "./world.mjs";

const LATER_MS = 10 * 86400e3;
// The recordings of the day that is looked at get their true one while its picture is on its way.
const MOVED = /404 .*\/api\/days\/[-\d]+\/picture$/;
const clock = async () => (await api("api/status")).clock;

test(
	"Clock: a phone sets it, if somebody agrees",
	{ skip: !process.env.CLOCK && "no CLOCK is given" },
	withPage({ size: PHONE, prepare: (page) => page.clock.setFixedTime(Date.now() + LATER_MS), allow: MOVED }, async (page) => {
		assert.equal((await clock()).source, "none");
		const line = page.locator("#alarms .alarm", { hasText: "Nothing has set the recorder's clock" });
		const button = line.getByRole("button", { name: "Set the clock from this phone" });
		await button.waitFor();
		await flawless(page, () => shot(page, "clock not set"));

		// It is told what it comes to, and nothing happens before one agrees.
		await button.click();
		const words = await page.locator("dialog").innerText();
		const [theirs, ours] = words.match(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g).map((text) => Date.parse(`${text.replace(" ", "T")}Z`));
		assert.ok(Math.abs(ours - theirs - LATER_MS) < 60e3, words);
		assert.ok(words.includes("is corrected"), words);
		await flawless(page, () => shot(page, "clock, asked"));
		await page.keyboard.press("Escape");
		await page.locator("dialog").waitFor({ state: "detached" });
		assert.equal((await clock()).source, "none");

		await button.press("Enter");
		await page.getByRole("button", { name: "Set the clock", exact: true }).click();
		await line.waitFor({ state: "detached" });
		const { now, clock: after } = await api("api/status");
		assert.equal(after.source, "browser");
		assert.ok(Math.abs(Date.parse(now) - Date.now() - LATER_MS) < 60e3, now);
		await page.getByRole("button", { name: "Status" }).click();
		await page.getByText("set from a browser, and kept by nobody").waitFor();
		await until("it is said once more how", () => page.locator(".card .set-clock").count(), 1);
		await shot(page, "clock set");
	}),
);
