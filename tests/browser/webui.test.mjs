// What the page has always had to do, one test for each thing, by its name.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { clock, dateLong, parseClock, span, bytes as sized } from "../../webui/format.js";
import { aRecording, api, days, encoded, newestDay, openRow, recorder, row, shot, until, url, withPage } from "./world.mjs";

/** Of the sound in a WAV file, whatever chunks it has. */
function secondsOf(wav) {
	let rate = 0;
	for (let at = 12; at + 8 <= wav.length; at += 8 + wav.readUInt32LE(at + 4) + (wav.readUInt32LE(at + 4) % 2)) {
		const kind = wav.toString("latin1", at, at + 4);
		if (kind === "fmt ") rate = wav.readUInt32LE(at + 16);
		if (kind === "data") return wav.readUInt32LE(at + 4) / rate;
	}
	return NaN;
}

const scores = (page, place = ".highlights") =>
	page
		.locator(`${place} .chip .chip-score`)
		.allTextContents()
		.then((all) => all.map((text) => parseInt(text, 10)));
const shownClip = (page) => page.locator(".clip-title").textContent();

test(
	"Day groups",
	withPage({}, async (page) => {
		const all = await days();
		const heads = page.locator(".day-toggle");
		assert.equal(await heads.nth(0).getAttribute("aria-expanded"), "true", "the newest day is open");
		assert.equal(await heads.nth(1).getAttribute("aria-expanded"), "false", "older days are closed");
		for (const at of [0, 1]) {
			const text = await page.locator(".day-head").nth(at).textContent();
			const { date, files, duration_s, bytes } = all[at];
			assert.ok(text.includes(dateLong(date)) && text.includes(`${files} file`), text);
			if (at === 1) assert.ok(text.includes(span(duration_s)) && text.includes(sized(bytes)), `duration and size in "${text}"`);
		}
		await heads.nth(1).click();
		await until("the second day is open", () => heads.nth(1).getAttribute("aria-expanded"), "true");
		await page.locator(".day").nth(1).locator(".row").first().waitFor();
		// Expanded state is kept over filters: hidden by one, and there again without it.
		const second = all[1].date;
		await page.fill("#search", "no such name at all");
		await page.locator(".empty").waitFor();
		await page.fill("#search", "");
		for (const date of [all[0].date, second])
			assert.equal(await page.locator(`[data-date="${date}"] .day-toggle`).getAttribute("aria-expanded"), "true");
		await page.locator(`[data-date="${all[0].date}"] .day-toggle`).click();
		await page.fill("#search", "2");
		await page.fill("#search", "");
		assert.equal(
			await page.locator(`[data-date="${all[0].date}"] .day-toggle`).getAttribute("aria-expanded"),
			"false",
			"a day that was closed stays closed",
		);
	}),
);

test(
	"Day highlights",
	withPage({}, async (page) => {
		const day = await newestDay();
		const all = day.files.flatMap((file) => file.sections.map((section) => ({ file, section })));
		assert.ok(all.length > 50, "the newest day has more sections than chips");
		const picture = page.locator(".activity-picture").first();
		assert.equal(await picture.locator(".extent").count(), day.files.length, "a blue extent for each file");
		assert.ok((await picture.locator("rect.section").count()) > 0, "orange sections");
		assert.notEqual(
			await picture
				.locator(".extent")
				.first()
				.evaluate((node) => getComputedStyle(node).fill),
			await picture
				.locator("rect.section")
				.first()
				.evaluate((node) => getComputedStyle(node).fill),
		);
		const labels = await page.locator(".times").first().locator("span").allTextContents();
		assert.equal(labels.length, 3, "three time labels");
		assert.equal(labels[0], day.files[0].local.slice(0, 5));
		const [from, middle, to] = labels.map((text) => parseClock(text) / 1);
		assert.ok(Math.abs((from + (to || 1440)) / 2 - middle) <= 1.01, `${labels} are start, middle and end`);
		const best = all
			.map(({ section }) => Math.round(section.score_db))
			.sort((a, b) => b - a)
			.slice(0, 50);
		await until("fifty chips", async () => (await scores(page)).length, 50);
		const shown = await scores(page);
		assert.deepEqual(
			shown,
			[...shown].sort((a, b) => b - a),
			"loudest first",
		);
		assert.ok(
			shown.every((score, i) => Math.abs(score - best[i]) <= 1),
			"the fifty best of all",
		);
		// J and K go through all in time order, not only through the chips.
		const inTime = all.map(({ file, section }) => `${file.name}@${section.from_s}`);
		const key = async () => (await url(page)).match(/play=([^&]+)-[\d.]+/)[1];
		await page.locator("#main").focus();
		for (let at = 0; at < 6; at++) {
			await page.keyboard.press("j");
			await until(`section ${at}`, key, inTime[at]);
		}
		await page.keyboard.press("k");
		assert.equal(await key(), inTime[4]);
		await shot(page, "day highlights");
	}),
);

test(
	"Inline playback",
	withPage({}, async (page, { requests }) => {
		const file = await aRecording(1);
		assert.ok(!requests.some((path) => path.startsWith("stream/")), "nothing is streamed before a player is opened");
		const ranged = page.waitForResponse((answer) => answer.url().includes("/stream/"));
		const found = await openRow(page, file.name);
		assert.equal((await ranged).status(), 206, "by ranges");
		await until(
			"the length is seen without pressing play",
			() => found.locator(".transport .length").textContent(),
			clock(file.duration_s),
		);
		assert.equal(await found.locator(".position").textContent(), "0:00", "and nothing plays");
		assert.equal(await found.locator(".play").getAttribute("aria-label"), "Play");
		await found.locator(".play").click();
		await until("it plays", () =>
			found
				.locator(".position")
				.textContent()
				.then((text) => text !== "0:00"),
		);
		const slider = found.getByRole("slider", { name: /^Position in/ });
		await slider.evaluate((node) => ((node.value = node.max / 2), node.dispatchEvent(new Event("input"))));
		await until("it seeks", () =>
			found
				.locator(".position")
				.textContent()
				.then((text) => Math.abs(parseClock(text) - file.duration_s / 2) < 5),
		);
		await found.locator(".toggle").click();
		await until("it is closed and silent", () => found.locator(".player").count(), 0);
	}),
);

test(
	"Waveform analysis",
	withPage({}, async (page) => {
		const file = await aRecording(3);
		const answer = await api(`api/files/${encoded(file.name)}/analysis?margin=12&min_gap=2&detector=level`);
		const found = await openRow(page, file.name);
		const canvas = found.locator(".waveform canvas");
		await until("it is drawn", () => canvas.getAttribute("aria-label").then((label) => label.includes("12 dB over the floor")));
		assert.ok(
			(await canvas.getAttribute("aria-label")).endsWith(`${answer.sections.length} sections`),
			"as many sections as the recorder marks",
		);
		// Level, floor, margin line and sections each leave their own colour on the canvas.
		const colours = await canvas.evaluate((node) => {
			const token = (name) => {
				const probe = document.createElement("canvas").getContext("2d");
				probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
				probe.fillRect(0, 0, 1, 1);
				return [...probe.getImageData(0, 0, 1, 1).data];
			};
			const { data } = node.getContext("2d").getImageData(0, 0, node.width, node.height);
			const has = ([r, g, b]) =>
				data.some(
					(_, i) =>
						i % 4 === 0 &&
						Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 40 &&
						data[i + 3] > 200,
				);
			const washed = data.some((_, i) => i % 4 === 3 && data[i] > 30 && data[i] < 80);
			return { wave: has(token("wave")), floor: has(token("floor")), margin: has(token("section")), washed };
		});
		assert.deepEqual(colours, { wave: true, floor: true, margin: true, washed: true });
		await shot(page, "waveform");
	}),
);

test(
	"Grace period",
	withPage({}, async (page) => {
		const day = await newestDay();
		const file = day.files.filter((one) => one.state === "analysed").sort((a, b) => b.sections.length - a.sections.length)[0];
		const found = await openRow(page, file.name);
		await until("the profile is here", () =>
			found
				.locator(".waveform canvas")
				.getAttribute("aria-label")
				.then((label) => label.includes("dB over")),
		);
		const wide = await api(`api/files/${encoded(file.name)}/analysis?margin=12&min_gap=30&detector=level`);
		await page.locator("#gap").evaluate((node) => ((node.value = 30), node.dispatchEvent(new Event("input", { bubbles: true }))));
		await until("neighbours join", () =>
			found
				.locator(".waveform canvas")
				.getAttribute("aria-label")
				.then((label) => new RegExp(`: ${wide.sections.length} sections?$`).test(label)),
		);
		assert.match(
			await found.locator(".found-words").textContent(),
			new RegExp(`^${file.sections.length} → ${wide.sections.length} section`),
		);
		const whole = await api(`api/days/${day.date}?margin=12&min_gap=30&detector=level&min_length=0.2`);
		await until("the day follows", () =>
			page
				.locator(".day-facts")
				.first()
				.textContent()
				.then((text) => text.includes(`${whole.sections} section`)),
		);
	}),
);

test(
	"Clip playback",
	withPage({}, async (page, { requests }) => {
		const file = await aRecording(3),
			{ pre_roll_s } = (await api("api/status")).detection;
		const found = await openRow(page, file.name);
		const chip = found.locator(".chip").nth(1),
			section = file.sections[1];
		await chip.click();
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		const clip = requests.find((path) => path.startsWith("api/clip"));
		const asked = new URLSearchParams(clip.split("?")[1]);
		assert.equal(Number(asked.get("from")), Math.max(0, section.from_s - pre_roll_s), "with its lead-in");
		assert.equal(await chip.getAttribute("aria-current"), "true");
		// Each chip fills the cut panel.
		assert.ok(Math.abs(parseClock(await found.locator(".cut input").nth(0).inputValue()) - section.from_s) < 0.11);
		assert.ok(Math.abs(parseClock(await found.locator(".cut input").nth(1).inputValue()) - section.to_s) < 0.11);
		// J, K and the buttons step.
		const first = await shownClip(page);
		await page.keyboard.press("j");
		await until("J goes on", () => shownClip(page).then((text) => text !== first));
		await page.keyboard.press("k");
		await until("K goes back", () => shownClip(page), first);
		await page.getByRole("button", { name: "Next section (J)" }).click();
		await until("the button goes on", () => shownClip(page).then((text) => text !== first));
		await page.getByRole("button", { name: "Previous section (K)" }).click();
		// Auto-advance: near its end a clip gives way to the next, without it it stays.
		await until("it is loaded", () => page.locator(".clip-picture input").evaluate((node) => Number(node.max) > 1));
		const toEnd = () =>
			page
				.locator(".clip-picture input")
				.evaluate((node) => ((node.value = node.max - 0.2), node.dispatchEvent(new Event("input"))));
		await page.locator("#auto").uncheck();
		await toEnd();
		await page.locator("#bar .round[aria-label=Play]").waitFor();
		assert.equal(await shownClip(page), first, "without auto-advance it stays");
		await page.locator("#auto").check();
		await page.locator("#bar .round").click();
		await toEnd();
		await until("it advances by itself", () => shownClip(page).then((text) => text !== first));
		await shot(page, "clip bar");
	}),
);

test(
	"Clip playback: open in file, at the same place",
	withPage({}, async (page) => {
		const file = await aRecording(3);
		await page.locator("#main").focus();
		await page.keyboard.press("j");
		await page.locator("#bar .round[aria-label=Pause]").waitFor();
		const { name, from } = await url(page).then((hash) => hash.match(/play=(?<name>[^@]+)@(?<from>[\d.]+)/).groups);
		await page.getByRole("button", { name: "Open in file" }).click();
		const found = row(page, name);
		await found.locator(".player .play[aria-label=Pause]").waitFor();
		const at = parseClock(await found.locator(".position").textContent());
		assert.ok(Math.abs(at - from) < 8, `the recording plays at ${at}, the section begins at ${from}`);
		await page.locator("#bar .round[aria-label=Play]").waitFor();
		assert.ok(file, "and the clip is silent");
	}),
);

test(
	"Cut & download",
	withPage({}, async (page) => {
		const file = await aRecording(1);
		const found = row(page, file.name);
		await found.getByRole("button", { name: `Cut ${file.name}` }).click();
		const cut = found.locator(".cut"),
			[from, to] = [cut.locator("input").nth(0), cut.locator("input").nth(1)];
		assert.ok(await from.evaluate((node) => node === document.activeElement), "the panel is open and one can type");
		const download = cut.getByRole("button", { name: "Download cut" });
		const words = async (a, b) => {
			await from.fill(a);
			await to.fill(b);
			return cut.locator(".cut-words").textContent();
		};
		assert.match(await words("0:02", "0:01"), /end comes after/);
		assert.match(await words("abc", "0:01"), /m:ss or h:mm:ss/);
		assert.match(await words("99:00:00", "99:00:10"), /long\./);
		assert.ok(await download.isDisabled());
		for (const [a, b, length] of [
			["0:01", "0:03", 2],
			["0:00:02", "0:00:05.5", 3.5],
		]) {
			assert.match(await words(a, b), new RegExp(`^${clock(length, true)} of sound`));
			const [kept] = await Promise.all([page.waitForEvent("download"), download.click()]);
			const bytes = await readFile(await kept.path());
			assert.ok(kept.suggestedFilename().endsWith(`.${file.name.split(".").pop()}`), kept.suggestedFilename());
			if (bytes.toString("latin1", 0, 4) === "RIFF") assert.ok(Math.abs(secondsOf(bytes) - length) < 0.1, "as long as asked");
			else assert.ok(bytes.length > 100);
		}
		const [wav] = await Promise.all([page.waitForEvent("download"), cut.getByRole("button", { name: "as WAV" }).click()]);
		const bytes = await readFile(await wav.path());
		assert.equal(bytes.toString("latin1", 0, 4), "RIFF");
		assert.ok(Math.abs(secondsOf(bytes) - 3.5) < 0.05, "the clip is as long as asked");
	}),
);

test(
	"Filters",
	withPage({}, async (page, { requests }) => {
		const all = await days(),
			whole = all.reduce((sum, day) => sum + day.files, 0),
			day = await newestDay();
		assert.ok(await page.locator("#shown").isHidden(), "no filter, no count");
		const before = requests.length;
		await page.fill("#from", day.date);
		await page.fill("#to", day.date);
		await until(
			"by date",
			() => page.locator("#shown").textContent(),
			`${day.files.length.toLocaleString("en")} of ${whole.toLocaleString("en")} shown`,
		);
		assert.equal(await page.locator(".day").count(), 1);
		const part = day.files[0].name.slice(-8);
		await page.fill("#search", part);
		const n = day.files.filter((file) => file.name.includes(part)).length;
		await until("by name", () => page.locator("#shown").textContent(), `${n} of ${whole.toLocaleString("en")} shown`);
		assert.equal(await page.locator(".row").count(), n);
		const asked = requests.slice(before).filter((path) => path.startsWith("api/") && !path.includes("/profile"));
		assert.deepEqual(asked, [], "no request is needed for what the page knows");
		await page.getByRole("button", { name: "Clear the filters" }).click();
		await until("all again", () => page.locator("#shown").isHidden());
		// Names in days that are closed are counted by the recorder.
		const { total } = await api(`api/files?q=${encodeURIComponent(part)}&limit=1`);
		await page.fill("#search", part);
		await until(
			"over all days",
			() => page.locator("#shown").textContent(),
			`${total.toLocaleString("en")} of ${whole.toLocaleString("en")} shown`,
		);
		await page.fill("#search", "");
		const source = day.files[0].source;
		const { total: own } = await api(`api/files?source=${encodeURIComponent(source)}&limit=1`);
		await page.selectOption("#source", source);
		await until(
			"by source",
			() => page.locator("#shown").textContent(),
			`${own.toLocaleString("en")} of ${whole.toLocaleString("en")} shown`,
		);
	}),
);

test(
	"Delete",
	withPage({}, async (page) => {
		const file = await aRecording(1);
		const found = row(page, file.name),
			button = found.getByRole("button", { name: `Delete ${file.name}` });
		await button.click();
		const dialog = page.locator("dialog");
		assert.match(await dialog.textContent(), new RegExp(`Delete ${file.name.replace(/\W/g, "\\$&")}\\?`), "names the file");
		assert.ok((await dialog.textContent()).includes(clock(file.duration_s)), "and its duration");
		assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel", "the safe answer has the focus");
		await page.keyboard.press("Escape");
		await until("nothing happens", () => dialog.count(), 0);
		assert.equal((await api(`api/files/${encoded(file.name)}`)).name, file.name);
		assert.ok(await button.evaluate((node) => node === document.activeElement), "the focus is where it was");
		const rows = await page.locator(".row").count();
		const asked = page.waitForRequest((request) => request.method() === "DELETE");
		await button.click();
		await dialog.getByRole("button", { name: "Delete" }).click();
		assert.ok(decodeURIComponent((await asked).url()).endsWith(`api/files/${file.name}`));
		await until("the row is gone", () => page.locator(".row").count(), rows - 1);
		await assert.rejects(api(`api/files/${encoded(file.name)}`), /404/);
		assert.ok(await page.evaluate(() => document.activeElement.matches(".toggle")), "the focus is on a neighbour");
		assert.match(await page.locator("#spoken").textContent(), /is deleted/);
	}),
);

test("Live REC badge", async (t) => {
	if (!recorder.isThere()) return t.skip("nothing records: no STATION is given");
	await recorder.split();
	await withPage({ motion: "no-preference" }, async (page, { requests }) => {
		const badge = page.locator(".badge.rec");
		await badge.first().waitFor();
		assert.notEqual(
			await badge
				.locator(".dot")
				.first()
				.evaluate((node) => getComputedStyle(node).animationName),
			"none",
			"it moves",
		);
		const recording = page.locator(".row.recording");
		const name = await recording.first().locator(".name").textContent();
		const length = await recording.first().locator(".row-length").textContent();
		await until("its length grows", () =>
			recording
				.first()
				.locator(".row-length")
				.textContent()
				.then((text) => parseClock(text) > parseClock(length)),
		);
		assert.ok(
			await recording
				.first()
				.getByRole("button", { name: /^Delete/ })
				.isDisabled(),
			"it cannot be deleted",
		);
		// A split: the old one loses its badge, a new one stands above it, and nobody asked.
		const polls = requests.filter((path) => path === "api/days").length;
		const rows = await page.locator(".row").count();
		await recorder.split();
		await until("a new row", () => page.locator(".row").count(), rows + 1);
		await until("the old one is closed", () => row(page, name).locator(".badge.rec").count(), 0);
		assert.ok(requests.filter((path) => path === "api/days").length - polls <= 3, "events, not polls");
		// Not under a sound.
		const closed = await openRow(page, (await aRecording(1)).name);
		await closed.locator(".player .play").click();
		await closed.locator(".player .play[aria-label=Pause]").waitFor();
		await recorder.split();
		await page.locator("#held button").waitFor();
		assert.equal(await page.locator(".row").count(), rows + 1, "the list stays while one listens");
		assert.match(await page.locator("#held").textContent(), /\d changes? in the list/);
		await closed.locator(".player .play").click();
		await until("then it is shown", () => page.locator(".row").count(), rows + 2);
		await until("and the note is gone", () => page.locator("#held button").count(), 0);
	})(t);
});

test("Listen while recording", async (t) => {
	if (!recorder.isThere()) return t.skip("nothing records: no STATION is given");
	await recorder.split();
	await recorder.grow(4);
	await withPage({ ready: ".row.recording" }, async (page) => {
		const recording = page.locator(".row.recording").first();
		const toggle = recording.locator(".toggle"),
			slider = recording.getByRole("slider", { name: /^Position in/ });
		const answered = page.waitForResponse((answer) => answer.url().includes("/stream/"));
		await toggle.click();
		assert.equal((await answered).headers()["cache-control"], "no-store");
		// A player is as long as its recording was when it was opened, and its slider ends there; before that is known, at 1 s. One opens
		// it again until what was sent has been written.
		const length = () => slider.evaluate((node) => Number(node.max));
		const trouble = recording.locator(".player-trouble:not(:empty)");
		const openedWith = (seconds) =>
			until(`opened again it has ${seconds} s`, async () => {
				await toggle.click();
				await slider.waitFor({ state: "detached" });
				await toggle.click();
				await until("it has a length", async () => (await length()) !== 1 || (await trouble.count()) > 0);
				return (await length()) >= seconds;
			});
		await openedWith(3);
		const before = await length();
		await recording.locator(".player .play").click();
		await until("it plays", () =>
			recording
				.locator(".position")
				.textContent()
				.then((text) => parseClock(text) >= 1),
		);
		await recording.locator(".player .play").click();
		await slider.evaluate((node) => ((node.value = 2), node.dispatchEvent(new Event("input"))));
		await until("it seeks", () => recording.locator(".position").textContent(), "0:02");
		await recorder.grow(20);
		await openedWith(before + 19);
	})(t);
});

test(
	"Fast loading",
	withPage({}, async (page, { requests }) => {
		const all = await days();
		await until("the first day is drawn", () => requests.includes(`api/days/${all[0].date}/picture`));
		const before = requests.filter((path) => /^api\/(days\/|files|clip)/.test(path));
		assert.deepEqual(
			before.filter((path) => !path.startsWith(`api/days/${all[0].date}`)),
			[],
			"closed days fetch nothing",
		);
		assert.ok(!requests.some((path) => path.includes("/profile")), "and no profile is read before a player opens");
		await page.locator(".day-toggle").nth(1).click();
		await page.locator(".day").nth(1).locator(".row").first().waitFor();
		const wanted = requests.filter((path) => path.startsWith(`api/days/${all[1].date}`));
		assert.ok(wanted.length >= 1);
		await page.locator(".day-toggle").nth(1).click();
		await page.locator(".day-toggle").nth(1).click();
		await page.locator(".day").nth(1).locator(".row").first().waitFor();
		assert.equal(requests.filter((path) => path === `api/days/${all[1].date}`).length, 1, "a day is fetched once");
	}),
);

test(
	"WCAG-compliant",
	withPage({}, async (page) => {
		await page.keyboard.press("Tab");
		assert.equal(
			await page.evaluate(() => document.activeElement.textContent),
			"Skip to the recordings",
			"the first stop is the skip link",
		);
		await page.keyboard.press("Enter");
		await until("it leads to the recordings", () => page.evaluate(() => document.activeElement.id), "main");
		const file = await aRecording(1),
			found = row(page, file.name),
			toggle = found.locator(".toggle");
		assert.equal(await toggle.getAttribute("aria-expanded"), "false");
		const controlled = await toggle.getAttribute("aria-controls");
		assert.equal(await page.locator(`[id="${controlled}"]`).count(), 1, "aria-controls names the panel");
		await toggle.focus();
		await page.keyboard.press("Enter");
		assert.equal(await toggle.getAttribute("aria-expanded"), "true");
		assert.ok(await page.locator(`[id="${controlled}"]`).isVisible());
		for (const picture of [".activity-picture", ".day-picture canvas[role]", ".waveform canvas", ".spectrogram canvas[role]"]) {
			assert.equal(await page.locator(picture).first().getAttribute("role"), "img", picture);
			assert.ok((await page.locator(picture).first().getAttribute("aria-label")).length > 10, `${picture} has a name`);
		}
		assert.equal(await page.locator("#spoken").getAttribute("aria-live"), "polite");
		// Everything that can be pressed can be reached and has a name.
		const nameless = await page
			.locator("button:visible, a:visible, input:visible, select:visible")
			.evaluateAll((nodes) =>
				nodes
					.filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
					.map((node) => node.outerHTML),
			);
		assert.deepEqual(nameless, []);
	}),
);
