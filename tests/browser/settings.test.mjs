// The configuration of a recorder on its page (CONFIG=, its file; KEY=, its password): the form, the text, what is wrong with it as one
// types, saving, conflicts, and the calendar of a source with a schedule. The recorder is a real one.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { beforeEach, test } from "node:test";
import * as ini from "../../webui/ini.js";
import { DESKTOP, PHONE, api, shot, until, withPage } from "./world.mjs";

const { CONFIG: config, KEY: key } = process.env;
const Authorization = `Basic ${Buffer.from(`:${key}`).toString("base64")}`;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const first = config && (await readFile(config, "utf8"));
const file = () => readFile(config, "utf8");

/** As it was at the start, whatever the last test left. */
const reset = () =>
	api("api/settings", { method: "PUT", headers: { Authorization, "If-Match": "*" }, body: JSON.stringify({ text: first }) });
if (config) beforeEach(reset);

function settings(name, options, act) {
	const prepare = (page) => page.setExtraHTTPHeaders({ Authorization });
	const rest = { hash: "#/status", ready: ".settings-form details", prepare, ...options };
	test(`Settings: ${name}`, { skip: !config && "no CONFIG is given" }, withPage(rest, act));
}

const field = (page, of) => page.locator(`[data-key="${of}"]`);
const said = (page) => page.locator(".settings-words").textContent();
const save = (page) => page.getByRole("button", { name: "Save", exact: true });
const raw = (page) => page.locator(".settings-text textarea");
async function open(page, name) {
	const fold = page.locator("details.card", { has: page.getByRole("heading", { name, exact: true }) });
	if (!(await fold.evaluate((node) => node.open))) await fold.locator("summary").first().click();
	return fold;
}

settings("the form and the text say the same, and no secret", {}, async (page) => {
	await open(page, "bat");
	assert.equal(await field(page, "bat.hz").inputValue(), "500");
	assert.equal(await field(page, "bat.dbfs").inputValue(), "", "what is not written is usual");
	assert.equal(await field(page, "bat.dbfs").getAttribute("placeholder"), "-20");
	assert.equal(await field(page, "bat.type").inputValue(), "tone");
	await open(page, "web");
	assert.equal(await field(page, "web.password_hash").inputValue(), "***");
	assert.ok(!(await page.content()).includes("argon2id"));
	assert.ok((await raw(page).inputValue()).includes("password_hash = ***"));
	// Every key of every section has a label and a line of help.
	const described = await page.locator(".set").evaluateAll((all) =>
		all.map((one) => one.querySelector("label").control === one.querySelector("input, select") && one.querySelector("p").textContent.length > 10),
	);
	assert.ok(described.length > 80 && described.every(Boolean));
	await shot(page, "settings");
});

settings("what is wrong is shown as it is typed, where it stands", {}, async (page) => {
	await open(page, "bat");
	const input = field(page, "bat.hz");
	await input.fill("loud");
	const line = first.split("\n").findIndex((text) => text.startsWith("hz = ")) + 1;
	await until("the line has its problem", () => page.locator(".gutter .error").count(), 1);
	assert.equal(await page.locator(".gutter li").nth(line - 1).getAttribute("class"), "error");
	assert.equal(await input.getAttribute("aria-invalid"), "true");
	assert.ok(await input.evaluate((node) => node === document.activeElement), "one types on where one was");
	const described = await input.getAttribute("aria-describedby");
	assert.match(await page.locator(`#${described}`).textContent(), /hz = loud: want Hz/);
	assert.match(await page.locator(".problems").textContent(), new RegExp(`Line ${line}: hz = loud`));
	assert.ok(await save(page).isDisabled());
	await page.getByRole("button", { name: new RegExp(`^Line ${line}:`) }).click();
	const chosen = await raw(page).evaluate((node) => node.value.slice(node.selectionStart, node.selectionEnd));
	assert.equal(chosen, "hz = loud");
	await shot(page, "settings wrong");
	await input.fill("700");
	await until("it is right again", () => page.locator(".problems li").count(), 0);
	assert.equal(await file(), first, "nothing was written");
});

settings("saved, it holds at once, and the rest is told", {}, async (page) => {
	await open(page, "bat");
	await field(page, "bat.hz").fill("700");
	await open(page, "web");
	await field(page, "web.max_connections").fill("60");
	await save(page).click();
	await until("it is told", () => said(page), "Saved. Applied now: bat. At the next start: web.max_connections.");
	const want = first.replace("hz = 500", "hz = 700").replace("# of the tests\n", "# of the tests\nmax_connections = 60\n");
	assert.equal(await file(), want, "two lines are changed, secrets and comments kept");
	await page.getByRole("button", { name: "Undo the last change" }).click();
	await until("it is as before", file, first);
	await until("and the form says so", () => field(page, "bat.hz").inputValue(), "500");
});

settings("the text is changed by hand", {}, async (page) => {
	const text = await raw(page).inputValue();
	await raw(page).fill(text.replace("hz = 500", "hz = 500\ncolour = red"));
	await until("a warning", () => page.locator(".problems .warning").count(), 1);
	assert.match(await page.locator(".problems").textContent(), /unknown key 'colour'/);
	await open(page, "bat");
	await raw(page).fill(text.replace("hz = 500", "hz = 900"));
	await until("the form follows", () => field(page, "bat.hz").inputValue(), "900");
	await until("no warning", () => page.locator(".problems li").count(), 0);
	await page.getByRole("button", { name: "Discard" }).click();
	assert.equal(await field(page, "bat.hz").inputValue(), "500");
	assert.ok(await save(page).isDisabled());
});

settings("a source comes, gets another name, records, and goes", {}, async (page) => {
	await page.getByRole("button", { name: "Add a source" }).focus();
	await page.keyboard.press("Enter");
	assert.equal(await page.locator("dialog input").inputValue(), "mic2");
	await page.locator("dialog input").fill("owl");
	await page.keyboard.press("Enter");
	await field(page, "owl.type").selectOption("demo");
	await until("it has the keys of its type", () => field(page, "owl.seed").count(), 1);
	await page.getByRole("button", { name: "Rename owl" }).click();
	await page.locator("dialog input").fill("barn owl");
	await page.locator("dialog .primary").click();
	await page.locator("details.card", { has: page.getByRole("heading", { name: "barn owl" }) }).getByText("More", { exact: true }).click();
	await field(page, "barn owl.sync_seconds").fill("2");
	await field(page, "barn owl.sample_rate").fill("8000");
	await save(page).click();
	await until("it is told", () => said(page), "Saved. Begun: barn owl.");
	await page.locator(".sources").getByText("barn owl", { exact: true }).waitFor();
	await until("it records", async () =>
		(await api("api/status", { headers: { Authorization } })).sources.some(({ name, state }) => name === "barn owl" && state === "recording"),
	);
	await open(page, "barn owl");
	await page.getByRole("button", { name: "Remove barn owl from the configuration" }).click();
	await save(page).click();
	await until("it is told", () => said(page), "Saved. Ended: barn owl.");
	assert.equal((await file()).trimEnd(), first.trimEnd());
});

settings("two hands at one file", { allow: /412/ }, async (page) => {
	await open(page, "bat");
	await field(page, "bat.hz").fill("700");
	await until("it may be saved", () => save(page).isEnabled());
	await writeFile(config, `# another hand\n${first}`);
	await save(page).click();
	await until("it is told", () => said(page), "The file was changed meanwhile: load it, and change that.");
	assert.ok((await file()).startsWith("# another hand"), "nothing is lost");
	await page.getByRole("button", { name: "Keep what is here" }).click();
	await save(page).click();
	await until("it is saved", () => said(page), "Saved. Applied now: bat.");
	assert.ok((await file()).includes("hz = 700") && (await file()).includes("argon2id"));
	await field(page, "bat.hz").fill("800");
	await until("it may be saved", () => save(page).isEnabled());
	await writeFile(config, `# another hand\n${first}`);
	await save(page).click();
	await page.getByRole("button", { name: "Load the file" }).click();
	await until("it is here", () => raw(page).inputValue().then((text) => text.startsWith("# another hand")));
	assert.equal(await field(page, "bat.hz").inputValue(), "500");
});

settings("a calendar of two weeks", {}, async (page) => {
	const rows = page.getByRole("region", { name: "Schedule of bat" }).locator("li");
	await until("fourteen days", () => rows.count(), 14);
	const { sources } = await api("api/schedule", { headers: { Authorization } });
	for (const at of [0, 13]) {
		const day = sources[0].days[at];
		const text = await rows.nth(at).textContent();
		for (const { from } of day.windows.slice(1)) assert.ok(text.includes(from.slice(11, 16)), `${from} in ${text}`);
		assert.ok(text.includes("24:00") && text.includes(`sun ${day.sunrise.slice(11, 16)}`), text);
		const drawn = await rows.nth(at).locator(".window").evaluateAll((all) => all.map((one) => Number(one.getAttribute("width"))));
		const minutes = day.windows.map(({ from, to }) => (Date.parse(to) - Date.parse(from)) / 60e3);
		assert.ok(drawn.every((width, n) => Math.abs(width - minutes[n]) < 0.2) && drawn.length === 2, `${drawn} of ${minutes}`);
	}
	// A change of the schedule is seen there.
	await open(page, "bat");
	await field(page, "bat.schedule").fill("10:00..11:00");
	await save(page).click();
	await until("it is told", () => said(page), "Saved. Applied now: bat.");
	await until("one window", () => rows.first().locator(".window").count(), 1);
});

for (const [device, size] of Object.entries({ desktop: DESKTOP, phone: PHONE }))
	for (const theme of ["dark", "light"])
		settings(`axe finds nothing, ${theme}, ${device}`, { size, theme }, async (page) => {
			await open(page, "bat");
			await field(page, "bat.hz").fill("loud");
			await until("a problem", () => page.locator(".gutter .error").count(), 1);
			await shot(page, `settings ${theme} ${device}`);
			await page.evaluate(axe);
			const look = async () => {
				const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
				assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target} ${nodes[0].failureSummary}`), []);
			};
			await look();
			if (size !== PHONE) return;
			assert.ok(await raw(page).isHidden(), "one at a time");
			await page.getByRole("button", { name: "Text", exact: true }).click();
			assert.ok(await raw(page).isVisible() && (await page.locator(".settings-form").isHidden()));
			await look();
			assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), size.width, "nothing is wider than the phone");
		});

test("Settings text: one thing is changed, and everything else stays", () => {
	const text = "# a\n[general]\nSplit_Minutes : 60 # an hour\nname = a\n  b\n\n[mic]\ntype=tone\n\n# of the bat\n[bat]\ntype = tone\n";
	const check = (have, want) => assert.equal(have, want);
	check(ini.set(text, "general", "split_minutes", "5"), text.replace("60 #", "5  #"));
	check(ini.set(text, "general", "name", "c"), text.replace("a\n  b\n", "c\n"));
	check(ini.set(text, "general", "name", ""), text.replace("name = a\n  b\n", ""));
	check(ini.set(text, "mic", "hz", "5"), text.replace("type=tone\n", "type=tone\nhz = 5\n"));
	check(ini.set(text, "mic", "hz", ""), text);
	check(ini.set(text, "web", "port", "81"), `${text}\n[web]\nport = 81\n`);
	check(ini.set("[a]\nk =\n", "a", "k", "v"), "[a]\nk = v\n");
	check(ini.rename(text, "bat", "bats"), text.replace("[bat]", "[bats]"));
	check(ini.remove(text, "mic"), text.replace("[mic]\ntype=tone\n\n", ""));
	check(ini.remove(text, "bat"), text.replace("[bat]\ntype = tone\n", ""));
	const keys = ini.parse(text).map(({ name, keys }) => [name, ...[...keys].map(([key, { value }]) => `${key}=${value}`)].join(" "));
	assert.deepEqual(keys, ["general split_minutes=60 name=a b", "mic type=tone", "bat type=tone"]);
});
