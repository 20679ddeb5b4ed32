// How it looks: no violation that axe-core knows, in both themes and on both sizes; and a picture of each for human eyes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flawless } from "./axe.mjs";
import { DESKTOP, PHONE, aRecording, openRow, row, shot, until, withPage } from "./world.mjs";

const VIEWS = {
	day: async (page) => {
		await until("the day is drawn", () => page.locator(".day-picture.shimmer").count(), 0);
	},
	player: async (page) => {
		const found = await openRow(page, (await aRecording(3)).name);
		await found.locator(".spectrogram[data-picture=overview]").waitFor();
		await found.locator(".chip").first().click();
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		await page.locator("#bar .round").click();
		await found.locator(".row-line").scrollIntoViewIfNeeded();
		await found.evaluate((node) => node.scrollIntoView());
	},
	"player near": async (page) => {
		const file = await aRecording(3);
		await row(page, file.name).locator(".toggle").click();
		const found = row(page, file.name);
		await found.locator(".spectrogram[data-picture=overview]").waitFor();
		await found.locator(".chip").nth(1).click();
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		await page.locator("#bar .open-in-file:visible, #bar .fold:visible").first().click();
		if (await page.locator("#bar .fold").isVisible()) await page.locator("#bar .open-in-file").click();
		await found.locator(".play[aria-label=Pause]").waitFor();
		await found.locator(".spectrogram[data-picture=detail]").waitFor();
		await found.locator(".player .play").click();
		await found.evaluate((node) => node.scrollIntoView());
	},
	calendar: async (page) => {
		await page.getByRole("button", { name: "Calendar" }).click();
		await page.locator(".cell.has:visible").first().waitFor();
	},
	status: async (page) => {
		await page.getByRole("button", { name: "Status" }).click();
		await page.locator(".status .card").first().waitFor();
	},
	menu: async (page) => {
		const file = await aRecording(3),
			found = row(page, file.name);
		await found.getByRole("button", { name: `More for ${file.name}` }).click();
	},
	delete: async (page) => {
		const file = await aRecording(3),
			found = row(page, file.name);
		await found.getByRole("button", { name: `More for ${file.name}` }).click();
		await found.getByRole("button", { name: "Delete", exact: true }).click();
		await page.locator("dialog").waitFor();
	},
	keys: async (page) => {
		await page.keyboard.press("?");
		await page.locator("dialog").waitFor();
	},
};

for (const [name, open] of Object.entries(VIEWS)) {
	for (const [device, size] of [
		["desktop", DESKTOP],
		["phone", PHONE],
	]) {
		test(
			`${name}, ${device}: axe finds nothing, dark or light`,
			withPage({ size }, async (page) => {
				await open(page);
				await shot(page, `${name} dark ${device}`);
				assert.doesNotMatch(await page.locator("body").innerText(), /\b(false|undefined|NaN|null)\b/, "words for people");
				await flawless(page, () => shot(page, `${name} light ${device}`));
			}),
		);
	}
}
