// What axe-core thinks of the page, in both themes.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** only: rules of axe-core; without it all. */
async function violations(page, only) {
	const options = { resultTypes: ["violations"], ...(only ? { runOnly: only } : {}) };
	const { violations: found, passes } = await page.evaluate((how) => globalThis.axe.run(document, how), options);
	assert.ok(passes.length > (only ? 0 : 5), "axe looked");
	return found.map(({ id, nodes }) => `${id} on ${nodes.length}: ${nodes[0].target} ${nodes[0].failureSummary}`);
}

/** It has nothing to say, dark or light; inLight() is called between both. */
export async function flawless(page, inLight = () => {}) {
	await page.evaluate(axe);
	assert.deepEqual(await violations(page), [], "dark");
	// The light theme changes nothing but colours.
	await page.emulateMedia({ colorScheme: "light" });
	await page.locator("[data-theme=light]").waitFor();
	await inLight();
	assert.deepEqual(await violations(page, ["color-contrast"]), [], "light");
}
