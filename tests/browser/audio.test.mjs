// An <audio> element at the recorder's mounts: the tone of 3 kHz that it records (TONE=), and one of 440 Hz that somebody feeds to a
// mount of its relay (MOUNT=, a path), which the page of anybody else may play.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { base, until, withPage } from "./world.mjs";

const { TONE: tone, MOUNT: mount } = process.env;

/** Plays an address, after a click, by an element whose sound is looked at: `heard` is where what came of it is to be seen. */
async function play(page, address, cors) {
	await page.mouse.click(5, 5);
	await page.evaluate(
		async ({ address, cors }) => {
			const audio = Object.assign(new Audio(), { crossOrigin: cors ? "anonymous" : null, src: address });
			const context = new AudioContext();
			const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
			context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
			globalThis.heard = () => {
				const bins = new Float32Array(analyser.frequencyBinCount);
				analyser.getFloatFrequencyData(bins);
				const loudest = bins.indexOf(Math.max(...bins));
				const hz = (loudest * context.sampleRate) / analyser.fftSize;
				return { seconds: audio.currentTime, error: audio.error?.message ?? null, ended: audio.ended, hz, db: bins[loudest] };
			};
			await audio.play();
		},
		{ address, cors },
	);
}

/** It goes on for seconds, and what is heard is a tone. */
async function isHeard(page, hz) {
	const heard = () => page.evaluate(() => globalThis.heard());
	const isTone = (now) => now.db > -60 && Math.abs(now.hz - hz) < 12;
	await until(`a tone of ${hz} Hz`, async () => isTone(await heard()) || JSON.stringify(await heard()));
	const began = (await heard()).seconds;
	await until("it goes on", async () => (await heard()).seconds > began + 3);
	const now = await heard();
	assert.ok(isTone(now) && now.error === null && !now.ended, JSON.stringify(now));
}

test("Audio element: a source as it is recorded", { skip: !tone && "no TONE is recorded" }, withPage({ ready: "#live" }, async (page) => {
	await play(page, `live/${tone}.opus`, false);
	await isHeard(page, 3000);
}));

test("Audio element: a mount of the relay, in the page of another", { skip: !mount && "no MOUNT is fed" }, async (t) => {
	await until("it is fed", async () => (await fetch(`${base}${mount}`, { method: "HEAD" })).ok);
	const other = createServer((request, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html>"));
	await new Promise((ready) => other.listen(0, "127.0.0.1", ready));
	try {
		await withPage({ ready: null, allow: /CORS|Failed to load/ }, async (page) => {
			await page.goto(`http://127.0.0.1:${other.address().port}/`);
			await play(page, `${base}${mount}`, true);
			await isHeard(page, 440);
			// What is recorded here is for this page alone.
			const own = await page.evaluate((address) => fetch(address).then(() => "heard", (error) => error.name), `${base}live/${tone}.opus`);
			assert.equal(own, "TypeError");
		})(t);
	} finally {
		other.closeAllConnections();
		other.close();
	}
});
