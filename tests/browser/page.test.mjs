// The page as a whole: themes, keys, waiting, alarms, locks, emptiness, long lists, phones, weight.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
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
const isFocused = (locator) => locator.evaluate((node) => node === document.activeElement);
const spoken = (page) => page.locator("#spoken").textContent();

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
		await row(page, name).locator(".badge.done").waitFor();
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
	// The answer comes when both signs are there: so they need not be caught.
	let said;
	const slowly = (pattern) => async (page) =>
		page.route(pattern, async (route) => {
			const answer = await route.fetch();
			for (const sign of [".wait-note", "#busy"]) await page.locator(sign).first().waitFor();
			said = await page.locator(".wait-note").first().textContent();
			await route.fulfill({ response: answer });
		});
	await withPage({ prepare: slowly(/\/api\/files\/.*\/profile/) }, async (page) => {
		const found = await openRow(page, (await aRecording(1)).name);
		await drawn(found, "overview");
		assert.match(said, /Loading the picture/, "in its place");
		await until("then it is gone", () => found.locator(".wait-note").count(), 0);
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

test("A recorder that was too busy for events is asked again", async (t) => {
	let asked = 0;
	const busy = async (page) =>
		page.route(/\/api\/events$/, (route) =>
			asked++ === 0 ? route.fulfill({ status: 503, json: { error: "Too many ask at once." } }) : route.fallback(),
		);
	await withPage({ prepare: busy, allow: /503/ }, async (page) => {
		await page.locator(".lost-sign:visible").waitFor();
		await until("it is heard again", () => page.locator(".lost-sign:visible").count(), 0);
		assert.equal(asked, 2);
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

test("Status: where a source is heard, and whether its Icecast has it", async (t) => {
	if (!isMock()) return t.skip("only the mock is refused at will");
	const see = async (push, words) => {
		await recorder.ask("push", push);
		await withPage({}, async (page) => {
			await page.getByRole("button", { name: "Status" }).click();
			await page.locator(".sources .push").waitFor();
			assert.equal(await page.locator(".sources .push").textContent(), words);
			assert.equal(await page.locator(".sources .push .icon").count(), push.connected ? 0 : 1, "a sign where something is wrong");
			assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, "nothing sticks out");
			await shot(page, `status ${push.connected ? "heard" : "refused"} elsewhere`);
		})(t);
	};
	await see({ connected: false, connections: 2, trouble: "The server answered 401." }, "Not on its Icecast: The server answered 401.");
	await see({ connected: false, connections: 0, trouble: null }, "Not on its Icecast yet");
	await see({ connected: true, connections: 3, trouble: null }, "On its Icecast, connected 3 times");
	await withPage({}, async (page, { context }) => {
		await context.grantPermissions(["clipboard-read", "clipboard-write"]);
		await page.getByRole("button", { name: "Status" }).click();
		const link = page.getByRole("link", { name: "live/mic.opus" });
		assert.equal(await link.evaluate((node) => node.href), `${base}live/mic.opus`);
		await page.getByRole("button", { name: "Copy where mic is heard" }).click();
		await until("it is copied", () => page.evaluate(() => navigator.clipboard.readText()), `${base}live/mic.opus`);
		assert.equal(await page.locator(".sources .push").count(), 1, "radio is sent nowhere");
	})(t);
	await recorder.ask("push", null);
});

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
	withPage({}, async (page, { requests }) => {
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
	}),
);
