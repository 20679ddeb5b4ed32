// The page as the recorder gives it away, without comments and blanks, against its sources: the same programs and the same styles.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "acorn";
import { base, withPage } from "./world.mjs";

const folder = new URL("../../webui/", import.meta.url);
const skip = !process.env.BASE_URL && "the mock gives the sources away";
const names = (await readdir(folder)).filter((name) => /\.(js|css)$/.test(name));
const both = async (name) => [await readFile(new URL(name, folder), "utf8"), await (await fetch(base + name)).text()];

/** What a script says, wherever it says it. */
const tree = (text) =>
	JSON.stringify(parse(text, { ecmaVersion: "latest", sourceType: "module" }), (key, value) =>
		["start", "end", "raw"].includes(key) ? undefined : value instanceof RegExp ? undefined : value,
	);

test("Served scripts are what their sources are", { skip }, async () => {
	for (const name of names.filter((name) => name.endsWith(".js"))) {
		const [source, served] = await both(name);
		assert.ok(served.length < source.length, `${name} became no smaller`);
		assert.ok(tree(served) === tree(source), `${name} as it is served is another program`);
	}
});

test(
	"Served styles are what their source is",
	{ skip },
	withPage({}, async (page) => {
		const rules = (text) =>
			page.evaluate((text) => {
				const sheet = new CSSStyleSheet();
				sheet.replaceSync(text);
				return [...sheet.cssRules].map((rule) => rule.cssText);
			}, text);
		// A value with a variable in it is kept as it is written.
		const plain = (all) => all.map((text) => text.replace(/, */g, ","));
		const [source, served] = await both("style.css");
		assert.ok(served.length < source.length);
		assert.deepEqual(plain(await rules(served)), plain(await rules(source)));
	}),
);
