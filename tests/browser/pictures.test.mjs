// Pictures of sound and what one does in them: spectrogram, day, sliders.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseClock } from "../../webui/format.js";
import { aRecording, api, days, encoded, newestDay, openRow, recorder, row, shot, until, url, withPage } from "./world.mjs";

const drawn = (found, kind) => found.locator(`.spectrogram[data-picture=${kind}]`).waitFor();
const isPainted = (canvas) =>
	canvas.evaluate((node) => {
		const { data } = node.getContext("2d").getImageData(0, 0, node.width, node.height),
			seen = new Set();
		for (let i = 0; i < data.length; i += 404)
			if (data[i + 3] === 255) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
		return seen.size > 20;
	});

test(
	"Spectrogram: axes, zoom, and a drag that selects",
	withPage({}, async (page, { requests }) => {
		const file = await aRecording(1),
			found = await openRow(page, file.name);
		await drawn(found, "overview");
		const spectrogram = found.locator(".spectrogram"),
			canvas = spectrogram.locator("canvas[role]");
		assert.ok(await isPainted(canvas), "columns of the profile are drawn");
		const box = await spectrogram.boundingBox(),
			middle = box.y + box.height / 2;
		// The pointer reads time and frequency.
		await page.mouse.move(box.x + box.width / 2, middle);
		const [time, pitch] = (await spectrogram.locator(".readout").textContent()).split(" · ");
		assert.ok(Math.abs(parseClock(time) - file.duration_s / 2) < file.duration_s / 100, `the middle reads ${time}`);
		assert.match(pitch, /^[\d.]+ k?Hz$/);
		// Zooming in until a minute is seen: spectra are computed on demand.
		await page.keyboard.down("Control");
		for (let i = 0; i < 12; i++) await page.mouse.wheel(0, -200);
		await page.keyboard.up("Control");
		await drawn(found, "detail");
		const asked = new URLSearchParams(
			requests
				.filter((path) => path.includes("/spectrogram"))
				.at(-1)
				.split("?")[1],
		);
		assert.ok(Number(asked.get("to")) - Number(asked.get("from")) <= 60);
		assert.ok(await isPainted(canvas));
		await until("the zoom is in the address", () => url(page).then((hash) => hash.includes(`row=${file.name}@`)));
		// A drag selects a range, which plays, zooms and fills the cut panel.
		await page.mouse.move(box.x + box.width * 0.25, middle - 20);
		await page.mouse.down();
		await page.mouse.move(box.x + box.width * 0.5, middle + 20, { steps: 4 });
		await page.mouse.up();
		const words = await found.locator(".chosen-words").textContent();
		const [, from, to, length] = words.match(/^([\d:.]+) – ([\d:.]+) · ([\d.]+) s · .*Hz$/);
		assert.ok(Math.abs(parseClock(to) - parseClock(from) - length) < 0.2, words);
		assert.ok(
			Math.abs(parseClock(await found.locator(".cut input").nth(0).inputValue()) - parseClock(from)) < 0.2,
			"the cut panel has it",
		);
		await shot(page, "spectrogram selection");
		await found.locator(".chosen").getByRole("button", { name: "Play" }).click();
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		const clip = new URLSearchParams(
			requests
				.filter((path) => path.startsWith("api/clip"))
				.at(-1)
				.split("?")[1],
		);
		assert.ok(
			requests.some(
				(path) =>
					path.startsWith("api/clip") && Math.abs(new URLSearchParams(path.split("?")[1]).get("from") - parseClock(from)) < 0.2,
			),
			`the selection itself is played, not ${clip}`,
		);
		await found.getByRole("button", { name: "Show the whole recording" }).click();
		await drawn(found, "overview");
		// Two ways to draw the frequencies, three palettes, and with what is always there taken out.
		for (const [name, value] of [
			["Frequency axis", "linear"],
			["Colours", "fern"],
			["Colours", "ember"],
			["Frequency axis", "log"],
		]) {
			const before = await canvas.evaluate((node) => node.toDataURL().length);
			await found.getByLabel(name).selectOption(value);
			await until(`${name}: ${value} is drawn`, () =>
				canvas.evaluate((node) => node.toDataURL().length).then((size) => size !== before),
			);
		}
		const usual = await canvas.evaluate((node) => node.toDataURL());
		await found.getByLabel("even out").check();
		await until("what is always there is gone", () =>
			canvas.evaluate((node) => node.toDataURL()).then((other) => other.length < usual.length),
		);
	}),
);

test(
	"Spectrogram: a tap goes there",
	withPage({}, async (page) => {
		const file = await aRecording(1),
			found = await openRow(page, file.name);
		await drawn(found, "overview");
		const box = await found.locator(".spectrogram").boundingBox();
		await page.mouse.click(box.x + box.width / 3, box.y + 60);
		await found.locator(".play[aria-label=Pause]").waitFor();
		await until("it plays from a third", () =>
			found
				.locator(".position")
				.textContent()
				.then((text) => Math.abs(parseClock(text) - file.duration_s / 3) < file.duration_s / 50 + 5),
		);
	}),
);

test(
	"Day picture: the whole day, gaps as gaps",
	withPage({}, async (page) => {
		const day = await newestDay();
		const picture = page.locator(".day-picture").first(),
			canvas = picture.locator("canvas[role]");
		await until("it is drawn", () => isPainted(canvas));
		assert.ok((await canvas.getAttribute("aria-label")).includes(`${day.gaps.length} gap`));
		assert.equal(
			await page.locator(".activity-picture").first().locator("rect.gap").count(),
			day.gaps.length,
			"gaps are hatched on the timeline",
		);
		// A tap beside any section goes to the recording of that moment; on one it plays it.
		const box = await picture.boundingBox(),
			file = day.files.filter((one) => one.state === "analysed")[1];
		const labels = await page.locator(".times").first().locator("span").allTextContents();
		const [from, , to] = labels.map((text) => parseClock(text) * 60 || 86400),
			middle = parseClock(file.local) + file.duration_s / 2;
		await picture.click({ position: { x: (box.width * (middle - (from % 86400))) / (to - (from % 86400)), y: 60 } });
		await until("something plays", () =>
			page
				.locator("#bar .round[aria-label=Pause], .player .play[aria-label=Pause]")
				.count()
				.then((n) => n === 1),
		);
		await shot(page, "day picture");
	}),
);

test(
	"Sliders answer at once, from the profile",
	withPage({ allow: /Failed to load resource/ }, async (page) => {
		const file = await aRecording(3),
			found = await openRow(page, file.name),
			{ name } = file;
		const number = () =>
			found
				.locator(".waveform canvas")
				.getAttribute("aria-label")
				.then((label) => Number(label.match(/: (\d+) section/)[1]));
		await until("the profile is here", () =>
			found
				.locator(".waveform canvas")
				.getAttribute("aria-label")
				.then((label) => label.includes("dB over")),
		);
		const wanted = [];
		for (const [margin, gap, detector] of [
			[20, 2, "level"],
			[6, 2, "level"],
			[12, 0.5, "level"],
			[12, 2, "bands"],
			[18, 5, "bands"],
		]) {
			const answer = await api(
				`api/files/${encoded(name)}/analysis?margin=${margin}&min_gap=${gap}&detector=${detector}&min_length=0.2`,
			);
			wanted.push([margin, gap, detector, answer.sections]);
		}
		// No recorder is asked: it cannot be reached.
		await page.route(/\/api\/(days|files)/, (route) => route.abort());
		for (const [margin, gap, detector, sections] of wanted) {
			await page.selectOption("#detector", detector);
			for (const [id, value] of [
				["margin", margin],
				["gap", gap],
			])
				await page
					.locator(`#${id}`)
					.evaluate((node, v) => ((node.value = v), node.dispatchEvent(new Event("input", { bubbles: true }))), value);
			await until(`${margin} dB, ${gap} s, ${detector}`, number, sections.length);
			const shown = await found.locator(".chip .chip-score").allTextContents();
			if (sections.length <= 50)
				assert.deepEqual(
					shown,
					sections.map((section) => `${section.score_db.toFixed(0)} dB`),
					"with the recorder's own scores",
				);
		}
	}),
);
