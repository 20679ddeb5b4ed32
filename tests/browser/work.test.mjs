// What a person does with recordings: marks, calendar, links, exports, many at once.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { dateLong } from "../../webui/format.js";
import { aRecording, api, days, encoded, newestDay, openRow, recorder, row, shot, until, url, withPage } from "./world.mjs";

const drawn = (found, kind) => found.locator(`.spectrogram[data-picture=${kind}]`).waitFor();

test(
	"Reviewed, locked, note",
	withPage({}, async (page) => {
		const file = await aRecording(1),
			found = row(page, file.name);
		const toReview = () =>
			page
				.locator(".day-facts .to-review")
				.first()
				.textContent()
				.then((text) => parseInt(text, 10));
		const before = await toReview();
		await found.getByRole("button", { name: `Reviewed ${file.name}` }).click();
		await until("it is counted", toReview, before - file.sections.length);
		assert.equal((await api(`api/files/${encoded(file.name)}`)).reviewed, true, "the recorder knows");
		assert.ok(await found.locator(".badge.done").isVisible());
		// Shift+J passes over it.
		await found.locator(".toggle").focus();
		await page.locator("#todo").check();
		await until("and it is out of the way", () => found.count(), 0);
		await page.locator("#todo").uncheck();
		await found.waitFor();
		// Lock.
		const menu = found.getByRole("button", { name: `More for ${file.name}` });
		await menu.click();
		assert.equal(await menu.getAttribute("aria-expanded"), "true");
		await found.getByRole("button", { name: "Lock", exact: true }).click();
		await found.locator(".badge.locked").waitFor();
		assert.ok(await found.getByRole("button", { name: `Delete ${file.name}` }).isDisabled(), "what is locked is not deleted");
		await menu.click();
		await found.getByRole("button", { name: "Unlock" }).click();
		await until("unlocked", () => found.locator(".badge.locked").count(), 0);
		// Note.
		await menu.click();
		await found.getByRole("button", { name: "Add a note" }).click();
		await page.getByLabel(`Note on ${file.name}`).fill("Nightjar, far off");
		await page.getByRole("button", { name: "Save" }).click();
		await until("the note is shown", () => found.locator(".badge.noted").textContent(), "Nightjar, far off");
		assert.equal((await api(`api/files/${encoded(file.name)}`)).note, "Nightjar, far off");
		await found.getByRole("button", { name: `Reviewed ${file.name}` }).click();
		await until("taken back", toReview, before);
	}),
);

test(
	"Mark the day reviewed",
	withPage({}, async (page) => {
		const [, second] = await days();
		await page.locator(`[data-date="${second.date}"] .day-toggle`).click();
		const day = page.locator(`[data-date="${second.date}"]`);
		await day.locator(".row").first().waitFor();
		await day.getByRole("button", { name: "Mark the day reviewed" }).click();
		await until("nothing is to review", () => day.locator(".to-review").count(), 0);
		await until("the recorder knows", async () => (await api(`api/days/${second.date}`)).to_review, 0);
	}),
);

test(
	"Calendar",
	withPage({}, async (page) => {
		const all = await days();
		await page.getByRole("button", { name: "Calendar" }).click();
		await until("it is in the address", () => url(page).then((hash) => hash.startsWith("#/calendar")));
		const cells = page.locator(".cell.has");
		await cells.first().waitFor();
		const months = await page.locator(".month caption").count();
		assert.equal(months, 3);
		const todo = page.locator(`.cell[aria-label^="${dateLong(all[0].date)}"]`);
		assert.equal(
			await todo.evaluate((node) => node.classList.contains("todo")),
			all[0].to_review > 0,
			"a dot when something is to review",
		);
		assert.equal(await todo.evaluate((node) => node.classList.contains("gap")), all[0].gaps > 0);
		await shot(page, "calendar");
		await page.getByRole("button", { name: "A month earlier" }).click();
		await until("it turns", () => url(page).then((hash) => /calendar\/\d{4}-\d\d/.test(hash)));
		await page.getByRole("button", { name: "A month later" }).click();
		const other = all[2];
		await page.locator(`.cell[aria-label^="${dateLong(other.date)}"]`).click();
		await until(
			"the day is open",
			() => page.locator(`[data-date="${other.date}"] .day-toggle`).getAttribute("aria-expanded"),
			"true",
		);
		assert.ok((await url(page)).startsWith(`#/day/${other.date}`));
	}),
);

test("Share link: all state in the address", async (t) => {
	const file = await aRecording(2);
	let link;
	await withPage({}, async (page) => {
		const found = await openRow(page, file.name);
		await drawn(found, "overview");
		await page
			.locator("#margin")
			.evaluate((node) => ((node.value = 10), node.dispatchEvent(new Event("input", { bubbles: true }))));
		await page.selectOption("#source", file.source);
		await page.fill("#search", file.name.slice(-12));
		for (let i = 0; i < 7; i++) await found.getByRole("button", { name: "Zoom in" }).click();
		await found.locator(".chip").first().click();
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		await until("the zoom too", () => url(page).then((hash) => hash.includes(`row=${file.name}@`)));
		link = await page.evaluate(() => location.hash);
	})(t);
	await withPage({ hash: link, ready: ".player" }, async (page) => {
		const found = row(page, file.name);
		assert.equal(await page.inputValue("#margin"), "10");
		assert.equal(await page.inputValue("#search"), file.name.slice(-12));
		await until("source", () => page.inputValue("#source"), file.source);
		await found.getByLabel("Part of the recording that is shown").waitFor();
		await page.locator("#bar").waitFor();
		assert.equal(
			await page.locator("#bar .round").getAttribute("aria-label"),
			"Play",
			"the clip is ready and does not sound by itself",
		);
		assert.equal(await page.evaluate(() => location.hash), link, "and the address is the same");
		// Back and forth.
		await page.getByRole("button", { name: "Status" }).click();
		await page.locator(".status .card").first().waitFor();
		await page.goBack();
		await found.locator(".player").waitFor();
	})(t);
});

test(
	"Exports: CSV, Raven, Audacity",
	withPage({}, async (page) => {
		const file = await aRecording(2),
			found = row(page, file.name);
		for (const [name, least] of [
			["Sections as CSV", file.sections.length + 1],
			["Raven selections", file.sections.length + 1],
			["Audacity labels", file.sections.length],
		]) {
			await found.getByRole("button", { name: `More for ${file.name}` }).click();
			const [kept] = await Promise.all([page.waitForEvent("download"), found.getByRole("link", { name }).click()]);
			const lines = (await readFile(await kept.path(), "utf8")).trimEnd().split("\n");
			assert.ok(lines.length >= least, `${name}: ${lines.length} lines`);
		}
	}),
);

test(
	"Selection: a zip of several",
	withPage({}, async (page) => {
		const day = await newestDay(),
			files = day.files.filter((file) => file.state !== "open").slice(-2);
		for (const file of files) await page.getByLabel(`Select ${file.name}`).check();
		assert.match(await page.locator(".selection-words").textContent(), /^2 recordings · /);
		const [kept] = await Promise.all([
			page.waitForEvent("download"),
			page.locator("#selection").getByRole("button", { name: "Zip" }).click(),
		]);
		const bytes = await readFile(await kept.path());
		assert.equal(bytes.toString("latin1", 0, 2), "PK");
		for (const file of files) assert.ok(bytes.includes(file.name.split("/").pop()), `${file.name} is in it`);
		await page.locator("#selection").getByRole("button", { name: "Lock" }).click();
		for (const file of files) await row(page, file.name).locator(".badge.locked").waitFor();
		for (const file of files)
			await api(`api/files/${encoded(file.name)}/lock`, {
				method: "PUT",
				body: '{"locked":false}',
				headers: { "Content-Type": "application/json" },
			});
		await page.keyboard.press("Escape");
		await until("cleared", () => page.locator("#selection").isHidden());
	}),
);

test("An evening's review", async (t) => {
	const { DAY, REVIEW } = process.env;
	if (!REVIEW) return t.skip("no day of a recorder's in a wood is given");
	await withPage({ hash: `#/day/${DAY}` }, async (page) => {
		await until("the day is drawn", () => page.locator(".day-picture.shimmer").count(), 0);
		await shot(page, "a day in the field");
		const found = await openRow(page, REVIEW);
		await drawn(found, "overview");
		const file = await api(`api/files/${encoded(REVIEW)}`);
		await until("its sections", () => found.locator(".player .chip").count(), Math.min(50, file.sections.length));
		await found.locator(".toggle").focus();
		await page.keyboard.press("r");
		await found.locator(".badge.done").waitFor();
		await page.keyboard.press("n");
		await page.getByLabel(`Note on ${REVIEW}`).fill("Dawn chorus, good");
		await page.getByRole("button", { name: "Save" }).click();
		await until("the note is shown", () => found.locator(".badge.noted").textContent(), "Dawn chorus, good");
		await shot(page, "a recording from the field");
	})(t);
});
