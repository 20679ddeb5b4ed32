// What the page does beyond the list it began with, one test for each.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { clock, dateLong, parseClock } from "../../webui/format.js";
import {
	DESKTOP,
	PHONE,
	aRecording,
	api,
	base,
	days,
	encoded,
	isMock,
	newestDay,
	openRow,
	recorder,
	row,
	shot,
	until,
	url,
	withPage,
} from "./world.mjs";

const drawn = (found, kind) => found.locator(`.spectrogram[data-picture=${kind}]`).waitFor();
const isPainted = (canvas) =>
	canvas.evaluate((node) => {
		const { data } = node.getContext("2d").getImageData(0, 0, node.width, node.height),
			seen = new Set();
		for (let i = 0; i < data.length; i += 404)
			if (data[i + 3] === 255) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
		return seen.size > 20;
	});
const isFocused = (locator) => locator.evaluate((node) => node === document.activeElement);
const spoken = (page) => page.locator("#spoken").textContent();

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
		const box = await picture.boundingBox();
		await picture.click({ position: { x: box.width * 0.4, y: 60 } });
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

test(
	"Light and dark",
	withPage({ theme: "light" }, async (page) => {
		const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]);
		assert.ok((await ground()) > 200, "light, as the device prefers");
		await page.getByRole("button", { name: "Light or dark" }).click();
		assert.ok((await ground()) < 60, "dark, as was asked");
		await page.reload();
		await page.locator(".row").first().waitFor();
		assert.ok((await ground()) < 60, "and it is remembered");
	}),
);

test(
	"? lists the keys",
	withPage({}, async (page) => {
		await page.keyboard.press("?");
		const text = await page.locator("dialog").textContent();
		for (const words of [
			"next section",
			"previous section that is not reviewed",
			"play or pause",
			"note",
			"go to a time",
			"search",
		])
			assert.ok(text.includes(words), words);
		await shot(page, "keys");
		await page.keyboard.press("Escape");
		await until("closed", () => page.locator("dialog").count(), 0);
	}),
);

test(
	"Keys",
	withPage({}, async (page) => {
		const day = await newestDay();
		await page.keyboard.press("/");
		assert.ok(await isFocused(page.locator("#search")), "/ searches");
		await page.keyboard.type("j");
		assert.equal(await page.locator("#bar").isVisible(), false, "letters that are typed are letters");
		await page.keyboard.press("Escape");
		await page.fill("#search", "");
		await page.locator("#main").focus();
		await page.keyboard.press("j");
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		await page.keyboard.press(" ");
		await page.locator("#bar .round[aria-label=Play]").waitFor();
		const position = () => page.locator(".clip-picture input").inputValue().then(Number);
		await page.locator(".clip-picture input").evaluate((node) => ((node.value = 0.5), node.dispatchEvent(new Event("input"))));
		await until("it stands near its beginning", async () => Math.abs((await position()) - 0.5) < 0.1);
		const at = await position();
		await page.keyboard.press(".");
		await until(". goes on by a second", async () => Math.abs((await position()) - at - 1) < 0.2);
		await page.keyboard.press(",");
		await until(", goes back", async () => Math.abs((await position()) - at) < 0.2);
		const name = (await url(page)).match(/play=([^@]+)@/)[1];
		await page.keyboard.press("r");
		await until("R: reviewed", async () => (await api(`api/files/${encoded(name)}`)).reviewed);
		await page.keyboard.press("J");
		await until("Shift J passes over what is reviewed", () => url(page).then((hash) => !hash.includes(`play=${name}@`)));
		await page.keyboard.press("K");
		await until("Shift K too", () => spoken(page).then((text) => /first section/.test(text)));
		await api(`api/files/${encoded(name)}/reviewed`, {
			method: "PUT",
			body: '{"reviewed":false}',
			headers: { "Content-Type": "application/json" },
		});
		const current = (await url(page)).match(/play=([^@]+)@/)[1];
		await page.keyboard.press("l");
		await until("L: locked", async () => (await api(`api/files/${encoded(current)}`)).locked);
		await row(page, current).locator(".badge.locked").waitFor();
		await page.keyboard.press("l");
		await until("and unlocked", async () => !(await api(`api/files/${encoded(current)}`)).locked);
		const [kept] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("c")]);
		assert.match(kept.suggestedFilename(), /\.wav$/, "C keeps the clip");
		const [csv] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("e")]);
		assert.match(csv.suggestedFilename(), /csv/, "E exports");
		await page.keyboard.press("n");
		await page.getByLabel(`Note on ${current}`).waitFor();
		await page.keyboard.press("Escape");
		await page.keyboard.press("x");
		await until("X: the cut panel", () => page.evaluate(() => document.activeElement.matches(".cut input")));
		await page.evaluate(() => document.activeElement.blur());
		await page.keyboard.press("Escape");
		await until("Escape closes the bar", () => page.locator("#bar").isHidden());
		// Go to a time: the recording of that moment plays from there.
		const file = day.files.filter((one) => one.state === "analysed")[1];
		await page.keyboard.press("g");
		await page.getByLabel("Time of day").fill(file.local);
		await page.keyboard.press("Enter");
		await row(page, file.name).locator(".player .play[aria-label=Pause]").waitFor();
		const sources = (await api("api/status")).sources;
		if (sources.length > 0) {
			await page.keyboard.press("1");
			await until("1: the first source", () => page.inputValue("#source"), sources[0].name);
			await page.keyboard.press("1");
			await until("and all", () => page.inputValue("#source"), "");
		}
		await page.keyboard.press("t");
		await until("T: today, or the newest day", () => url(page).then((hash) => hash.startsWith(`#/day/${day.date}`)));
	}),
);

test("Progress is shown for what takes over half a second", async (t) => {
	const slowly = (pattern) => async (page) =>
		page.route(pattern, async (route) => {
			const answer = await route.fetch();
			for (const sign of [".wait-note", "#busy"]) await page.locator(sign).first().waitFor();
			await route.fulfill({ response: answer });
		});
	await withPage({ prepare: slowly(/\/api\/files\/.*\/profile/) }, async (page) => {
		const found = await openRow(page, (await aRecording(1)).name);
		const note = found.locator(".wait-note");
		assert.match(await note.textContent(), /Loading the picture/, "in its place; and at the top, or the answer would not come");
		await drawn(found, "overview");
		await until("then it is gone", () => note.count(), 0);
		await until("there too", () => page.locator("#busy").isHidden());
	})(t);
});

test("Analysis that goes on behind is shown with its figure", async (t) => {
	if (!isMock()) return t.skip("only the mock works at will");
	await withPage({}, async (page) => {
		await recorder.ask("work", { what: "analyse", done: 34, total: 1200 });
		await until(
			"the figure",
			() =>
				page
					.locator("#work")
					.textContent()
					.catch(() => ""),
			"Analysing 34 of 1,200",
		);
		await recorder.ask("work");
		await until("gone", () => page.locator("#work").count(), 0);
		await recorder.ask("alarm", { text: "The disk is nearly full." });
		await until("an alarm says what and since when", () =>
			page
				.locator(".alarm")
				.textContent()
				.then(
					(text) => /The disk is nearly full\. since/.test(text),
					() => false,
				),
		);
		await recorder.ask("alarm");
	})(t);
});

test("A gap that happens now is shown", async (t) => {
	if (!isMock()) return t.skip("only the mock loses samples at will");
	await withPage({}, async (page) => {
		const before = await page.locator(".activity-picture").first().locator("rect.gap").count();
		await recorder.ask("gap");
		await until("on the timeline", () => page.locator(".activity-picture").first().locator("rect.gap").count(), before + 1);
	})(t);
});

test("Log-in when the recorder asks for it", async (t) => {
	let isIn = false;
	const locked = async (page) =>
		page.route(/\/api\//, async (route) => {
			if (route.request().url().endsWith("/api/login")) {
				isIn = route.request().postDataJSON().password === "owl";
				return route.fulfill(isIn ? { status: 204 } : { status: 401, json: { error: "This password is not right." } });
			}
			return isIn ? route.fallback() : route.fulfill({ status: 401, json: { error: "Log in first." } });
		});
	await withPage({ prepare: locked, ready: "#password", allow: /401/ }, async (page) => {
		assert.equal(await page.locator("dialog.login").count(), 1, "one form, however many requests wait");
		await page.fill("#password", "crow");
		await page.keyboard.press("Enter");
		await until("a wrong one is told", () => page.locator("dialog [role=alert]").textContent(), "This password is not right.");
		await shot(page, "login");
		await page.fill("#password", "owl");
		await page.keyboard.press("Enter");
		await page.locator(".row").first().waitFor();
		assert.equal(await page.locator("dialog").count(), 0);
	})(t);
});

test("Empty states teach", async (t) => {
	const empty = async (page) => page.route(/\/api\/days$/, (route) => route.fulfill({ json: { days: [] } }));
	await withPage({ prepare: empty, ready: ".empty" }, async (page) => {
		assert.match(await page.locator(".empty").textContent(), /No recordings yet/);
		assert.ok((await page.locator(".empty").textContent()).length > 60, "and says what comes");
		await shot(page, "empty");
	})(t);
	await withPage({}, async (page) => {
		await page.fill("#search", "nothing has this name");
		await page.locator(".empty").waitFor();
		await page.getByRole("button", { name: "Show all recordings" }).click();
		await page.locator(".row").first().waitFor();
	})(t);
	const broken = async (page) =>
		page.route(/\/api\/days$/, (route) => route.fulfill({ status: 500, json: { error: "The catalogue is being made." } }));
	await withPage({ prepare: broken, ready: ".empty", allow: /500/ }, async (page) => {
		assert.match(
			await page.locator(".empty").textContent(),
			/The catalogue is being made\./,
			"an error is the recorder's own sentence",
		);
	})(t);
});

test("Long lists cost what is on the screen", async (t) => {
	const many = Array.from({ length: 4000 }, (_, i) => ({
		date: new Date(Date.UTC(2026, 0, 1) - i * 86400e3).toISOString().slice(0, 10),
		files: 25,
		duration_s: 86400,
		bytes: 9e9,
		sections: 80,
		to_review: 5,
		gaps: 0,
		best_db: 30,
	}));
	const long = async (page) => {
		await page.route(/\/api\/days$/, (route) => route.fulfill({ json: { days: many } }));
		await page.route(/\/api\/days\/\d/, (route) =>
			route.fulfill({ status: 404, json: { error: "Nothing was recorded on this day." } }),
		);
	};
	await withPage({ prepare: long, ready: ".day", allow: /404/ }, async (page) => {
		assert.ok((await page.locator(".day").count()) <= 120, "of 4,000 days some dozens are made");
		const before = await page.locator(".day").count();
		await page.mouse.move(600, 600);
		await until("more come as one scrolls", async () => {
			await page.mouse.wheel(0, 4000);
			return (await page.locator(".day").count()) > before;
		});
		await page.fill("#from", "2020-03-01");
		await page.fill("#to", "2020-03-03");
		await until("a date is found at once", () => page.locator(".day").count(), 3);
		assert.equal(await page.locator("#shown").textContent(), "75 of 100,000 shown");
	})(t);
});

test(
	"Status",
	withPage({}, async (page) => {
		const status = await api("api/status");
		await page.getByRole("button", { name: "Status" }).click();
		await page.locator(".status .card").first().waitFor();
		const text = await page.locator(".status").textContent();
		for (const words of [status.software, status.time_zone, ...status.sources.map((source) => source.name)])
			assert.ok(text.includes(words), words);
		await shot(page, "status");
	}),
);

test(
	"Phone: everything within a thumb's reach",
	withPage({ size: PHONE }, async (page) => {
		const file = await aRecording(2),
			found = row(page, file.name);
		const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
		assert.ok((await wide()) <= 0, "nothing sticks out sideways");
		const small = async () =>
			page.locator("button:visible, a:visible, select:visible, input:visible").evaluateAll((nodes) =>
				nodes
					.filter((node) => {
						const box = node.getBoundingClientRect();
						return (
							box.height > 0 &&
							box.height < 40 &&
							!node.matches("[type=range], [type=checkbox], .skip, .brand, p a, .field-row .quiet")
						);
					})
					.map((node) => `${node.outerHTML.slice(0, 90)} ${node.getBoundingClientRect().height}`),
			);
		assert.deepEqual(await small(), [], "targets are large");
		await found.getByRole("button", { name: `More for ${file.name}` }).click();
		for (const name of ["Cut", "Mark reviewed", "Delete"])
			assert.ok(await found.getByRole("button", { name, exact: true }).isVisible(), name);
		await shot(page, "phone menu");
		await found.getByRole("button", { name: "Cut", exact: true }).click();
		await found.locator(".cut").waitFor();
		await drawn(found, "overview");
		assert.ok((await wide()) <= 0, "with a player open neither");
		assert.deepEqual(await small(), []);
		await found.locator(".chip").first().click();
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		await page.getByRole("button", { name: "More controls" }).click();
		await page.locator("#auto").uncheck();
		assert.ok((await wide()) <= 0, "nor with the bar");
		await page.getByRole("button", { name: "Filters and detection" }).click();
		assert.ok(await page.locator("#margin").isVisible());
		await page.touchscreen.tap(195, 500);
	}),
);

test(
	"The page weighs little and asks nobody else",
	withPage({}, async (page, { requests, context }) => {
		assert.ok(context && requests.length > 0);
		let weight = 0;
		for (const path of new Set(
			requests.map((one) => one.split("#")[0]).filter((one) => /^$|^[a-z]+\.(js|css|svg|html)$/.test(one)),
		))
			weight += (await (await fetch(base + path)).arrayBuffer()).byteLength;
		assert.ok(weight > 50e3 && weight < 200e3, `${weight} bytes`);
		const foreign = await page.evaluate(() =>
			performance
				.getEntriesByType("resource")
				.map((entry) => entry.name)
				.filter((name) => !name.startsWith(location.origin)),
		);
		assert.deepEqual(foreign, []);
		assert.ok(DESKTOP.width > 0 && clock(61) === "1:01");
	}),
);
