// Where recordings stay and where they go. What the mock tells is shown word for word; what a recorder deletes and uploads (STORAGE=, a
// recording of it that is locked) is seen as it happens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flawless } from "./axe.mjs";
import { DESKTOP, PHONE, aRecording, api, isMock, recorder, row, shot, until, withPage } from "./world.mjs";

const card = (page, name) => page.getByRole("region", { name, exact: true });
const text = async (page, name) => (await card(page, name).innerText()).replace(/\s+/g, " ");
const target = {
	name: "upload.s3", kind: "s3", state: "waiting", file: null, part: 0, parts: 0, backlog_files: 0, backlog_bytes: 0,
	uploaded_files: 0, sent_bytes: 0, uploaded_at: null, trouble: null, again_at: null, note: null,
};
const TOLD = {
	retention: {
		floor_bytes: 4.2e9, deleted: 3, deleted_bytes: 61e6, last: null,
		recent: [{ name: "old/a.flac", at: "2026-05-20T04:00:00Z", reason: "the disk is nearly full; uploaded" }],
	},
	uploads: [
		{ ...target, state: "failing", trouble: "The server answered 507.", again_at: "2026-05-22T10:00:00Z", backlog_files: 12, backlog_bytes: 3e8 },
		{ ...target, name: "upload.stick", kind: "folder", uploaded_files: 5, uploaded_at: "2026-05-22T09:00:00Z", note: "safe to pull" },
		{ ...target, name: "upload.dav", kind: "webdav", state: "sending", file: "b.flac", part: 2, parts: 5, backlog_files: 1, backlog_bytes: 9e6 },
	],
};

for (const size of [DESKTOP, PHONE])
	test(`Storage: room, what was deleted and each target, ${size.width} wide`, async (t) => {
		if (!isMock()) return t.skip("only the mock tells what it is told to");
		await recorder.ask("status", TOLD);
		await withPage({ size, hash: "#/status", ready: ".card" }, async (page) => {
			const disk = await text(page, "Disk");
			for (const words of ["less than 4.2 GB are free", "3 recordings, 61.0 MB", "what is locked"]) assert.ok(disk.includes(words), disk);
			assert.match(await text(page, "Deleted lately"), /old\/a\.flac 2026-05-20 \d\d:\d\d, the disk is nearly full; uploaded/);
			const failing = await text(page, "Upload: upload.s3");
			for (const words of ["fails", "The server answered 507.", "12 recordings, 300 MB", "Next try 2026-05-22"]) assert.ok(failing.includes(words), failing);
			assert.equal(await card(page, "Upload: upload.s3").locator(".icon").count(), 1, "a sign where something is wrong");
			assert.match(await text(page, "Upload: upload.stick"), /5 recordings .*folder, safe to pull/);
			assert.match(await text(page, "Upload: upload.dav"), /sending, part 2 of 5 Recording b\.flac/);
			assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, "nothing sticks out");
			await shot(page, `storage ${size.width}`);
			await flawless(page);
		})(t);
		await recorder.ask("status", {});
	});

test("Storage: who stands on something still does when there is news", async (t) => {
	if (!isMock()) return t.skip("only the mock tells what it is told to");
	await withPage({ hash: "#/status", ready: ".card" }, async (page) => {
		const share = page.getByRole("button", { name: "Copy where mic is heard" });
		await share.focus();
		await recorder.ask("status", TOLD);
		await recorder.ask("event", { kind: "uploaded", data: { name: "b.flac", target: "upload.s3", uploaded_at: null } });
		await card(page, "Deleted lately").waitFor();
		assert.ok(await share.evaluate((node) => node === document.activeElement));
	})(t);
	await recorder.ask("status", {});
});

test("Storage: a recording that is uploaded is marked while one looks, and a deletion says whether there is a copy", async (t) => {
	if (!isMock()) return t.skip("only the mock uploads when it is told to");
	await recorder.ask("status", TOLD);
	const file = await aRecording(1);
	await withPage({}, async (page) => {
		const found = row(page, file.name);
		const remove = async () => {
			await found.locator(".delete").click();
			const words = await page.locator("dialog").innerText();
			await page.keyboard.press("Escape");
			await page.locator("dialog").waitFor({ state: "detached" });
			return words;
		};
		assert.match(await remove(), /NOT uploaded yet/);
		await recorder.ask("event", { kind: "uploaded", data: { name: file.name, target: "upload.s3", uploaded_at: "2026-05-22T09:00:00Z" } });
		await found.locator(".badge", { hasText: "uploaded" }).waitFor();
		assert.match(await remove(), /it is uploaded/);
		await found.locator(".toggle").click();
		await found.locator(".facts", { hasText: "Uploaded" }).waitFor();
	})(t);
	await recorder.ask("status", {});
});

test(
	"Storage: a recorder that makes room and uploads",
	{ skip: !process.env.STORAGE && "no STORAGE is given" },
	withPage({}, async (page) => {
		const locked = row(page, process.env.STORAGE);
		await locked.locator(".badge", { hasText: "locked" }).waitFor();
		await locked.locator(".badge", { hasText: "uploaded" }).waitFor();
		assert.equal(await locked.locator(".delete").isDisabled(), true);
		await page.getByRole("button", { name: "Status" }).click();
		await until("it deleted", async () => (await api("api/status")).retention?.recent.length > 0);
		await card(page, "Deleted lately").locator("li").first().waitFor();
		const { retention, uploads } = await api("api/status");
		assert.ok((await text(page, "Deleted lately")).includes(retention.recent.at(-1).name));
		assert.ok(!retention.recent.some(({ name }) => name === process.env.STORAGE), "what is locked stays");
		assert.match(await text(page, `Upload: ${uploads[0].name}`), /Sent since the start \d+ recording/);
		await shot(page, "storage of a recorder");
		await flawless(page);
	}),
);
