// What other programs found in recordings: a recorder runs one over each (LABELS=, the one that has a great tit),
// and one of three days ago has a tawny owl.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flawless } from "./axe.mjs";
import { DESKTOP, PHONE, api, openRow, row, shot, until, url, withPage } from "./world.mjs";

const { LABELS: name } = process.env;
const labels = (title, options, act) => test(`Labels: ${title}`, { skip: !name && "no LABELS is given" }, withPage(options, act));
const inDay = (page) => page.getByRole("list", { name: "What other programs found", exact: true }).first();
const inFile = (found) => found.getByRole("list", { name: "What other programs found, by time" });
const second = (found) => found.evaluate((node) => node.soundpost.player?.audio.currentTime ?? -1);

labels("a day tells how often and how surely, and a name leads to its recordings", {}, async (page) => {
	const list = inDay(page);
	const names = (await list.getByRole("button").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));
	assert.match(names.join("|"), /^European "Robin" 87 % \d+×\|Great Tit 61 % 1×\|Blackbird 44 % \d+×\|chirp \d+×$/);
	const tit = list.getByRole("button", { name: "Great Tit" });
	await tit.focus();
	await page.keyboard.press("Enter");
	await until("only its recording is left", () => page.locator(".row").count(), 1);
	await row(page, name).waitFor();
	assert.equal(await tit.getAttribute("aria-pressed"), "true");
	assert.ok(await tit.evaluate((node) => node === document.activeElement), "it keeps the focus");
	assert.ok((await url(page)).includes("q=Great Tit") || (await url(page)).includes("q=Great+Tit"), "a link carries it");
	await page.keyboard.press("Enter");
	assert.equal(await tit.getAttribute("aria-pressed"), "false");
	assert.equal(await page.inputValue("#search"), "");
});

labels("a name in the list plays from there", {}, async (page) => {
	const found = row(page, name);
	const badges = await found.locator(".badge.label").allInnerTexts();
	assert.deepEqual(badges.map((text) => text.replace(/Play\s+/, "").trim()), ['European "Robin" 87 %', "Great Tit 61 %"]);
	await found.getByText("2 more").waitFor();
	await found.getByRole("button", { name: "Play Great Tit" }).click();
	await found.locator(".play[aria-label=Pause]").waitFor();
	await until("it plays from where the tit is", async () => (await second(found)) > 3.05);
	assert.ok((await second(found)) < 9, "and not from somewhere else");
});

labels("they stand in the picture at their time, and in a list that plays from there", {}, async (page) => {
	const found = await openRow(page, name);
	await found.locator(".spectrogram[data-picture=detail]").waitFor();
	const list = inFile(found);
	const all = (await list.getByRole("button").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));
	assert.deepEqual(all, ['European "Robin" 0:00 87 %', 'Blackbird 0:01 44 %', "Great Tit 0:03 61 %", "chirp 0:05 1–2 kHz"]);
	// Of the colour of labels, by parts of the width; a frame knows its frequencies, a bar lies at the top.
	const inked = (from_s, to_s, top, end) =>
		found.locator(".spectrogram .overlay").evaluate(
			(canvas, [from, to, top, end]) => {
				const { file, player } = canvas.closest(".row").soundpost;
				const x = (s) => Math.round((s / file.duration_s) * canvas.width);
				if (!player.pictures.zoom.isWhole) return -1;
				const { data } = canvas.getContext("2d").getImageData(x(from), canvas.height * top, x(to) - x(from), canvas.height * (end - top));
				let n = 0;
				for (let at = 0; at < data.length; at += 4) n += data[at] === 0x8f && data[at + 1] === 0xe3 && data[at + 2] === 0xff && data[at + 3] === 255;
				return n;
			},
			[from_s, to_s, top, end],
		);
	assert.ok((await inked(3, 4.5, 0, 0.06)) > 50, "a bar while the tit sings");
	assert.equal(await inked(7.2, 9, 0, 1), 0, "nothing where nothing was found");
	assert.ok((await inked(4.9, 7.1, 0.1, 0.6)) > 50, "a frame around what has a band");
	assert.equal(await inked(5.3, 6.7, 0, 0.06), 0, "and no bar there");
	await shot(page, "labels in the picture");
	await list.getByRole("button", { name: "Great Tit" }).click();
	await until("it plays from where the tit is", async () => (await second(found)) > 3.05);
	// What is looked for stands alone.
	await page.fill("#search", "great");
	await page.reload();
	await inFile(row(page, name)).waitFor();
	assert.equal(await inFile(row(page, name)).getByRole("button").count(), 1);
});

labels("one finds by them what was never opened", { ready: ".day" }, async (page) => {
	const found = (await api("api/files?q=TAWNY")).files;
	assert.deepEqual(found.map((file) => file.details.labels[0].found[0].name), ["Tawny Owl"]);
	await page.fill("#search", "tawny owl");
	await until("it is counted", async () => /^1 of/.test(await page.locator("#shown").textContent()));
	await page.locator(".day-toggle").first().click();
	await row(page, found[0].name).locator(".badge.label", { hasText: "Tawny Owl 90 %" }).waitFor();
});

for (const size of [DESKTOP, PHONE])
	labels(`axe finds nothing, ${size.width} wide`, { size }, async (page) => {
		await inDay(page).waitFor();
		const found = await openRow(page, name);
		await inFile(found).waitFor();
		assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, "nothing sticks out");
		assert.doesNotMatch(await page.locator("body").innerText(), /\b(false|undefined|NaN|null)\b/, "words for people");
		await shot(page, `labels ${size.width}`);
		if (size === PHONE) {
			const heights = await page.locator(".chip.label:visible, .badge.label:visible").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height));
			assert.ok(heights.length > 3 && heights.every((height) => height >= 44), `within a thumb's reach: ${heights}`);
		}
		await flawless(page);
	});
