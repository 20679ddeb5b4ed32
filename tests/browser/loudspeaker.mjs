// Plays SOURCE of the recorder BASE_URL for SECONDS through the loudspeaker: by the page's own Listen, or, with STREAM, that address in an
// <audio> element, as a station's page has it. Prints, as JSON, when the page saw a bar of its spectrum rise (ms since 1970), and how
// late the page thinks it is, or how far the element came.
import { chromium } from "playwright-core";

const { BASE_URL: base, SOURCE: source, STREAM: stream, SECONDS: seconds } = process.env;

const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
	ignoreDefaultArgs: ["--mute-audio"],
});
const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
const said = stream ? await element() : await listen();
await browser.close();
console.log(JSON.stringify(said));

async function listen() {
	await page.goto(`${base}#/live/${source}`);
	await page.getByRole("button", { name: "Listen", exact: true }).click();
	const seen = await page.evaluate(
		([source, ms]) =>
			new Promise((done) => {
				const times = [];
				let loud = true;
				const events = new EventSource(`api/live/${source}/spectrum`);
				events.onmessage = ({ data }) => {
					const now = Date.now();
					const level = JSON.parse(data).level;
					if (level > 400 && !loud) times.push(now);
					loud = level > 400;
				};
				setTimeout(() => (events.close(), done(times)), ms);
			}),
		[source, 1000 * Number(seconds)],
	);
	return { seen, told: await page.locator(".latency").textContent() };
}

async function element() {
	await page.setContent(`<audio autoplay src="${stream}"></audio>`);
	await page.waitForTimeout(1000 * Number(seconds));
	const told = await page.locator("audio").evaluate((audio) => `${audio.currentTime.toFixed(1)} s played, ${audio.error?.message ?? "no error"}`);
	return { seen: [], told };
}
