// What a person says of a recording: reviewed, locked, a note, away with it; and of a source: keep what was just heard. Each is on the recorder's disk before it is shown, and
// each can be taken back, except deletion: that asks once and says what goes.
import { api } from "./api.js";
import { ask, confirm } from "./dialog.js";
import { announce, el, icon, setText } from "./dom.js";
import { bytes, clock, count } from "./format.js";
import { drop, lengthOf, library, put } from "./library.js";

export async function told(doing) {
	try {
		return await doing();
	} catch (refusal) {
		announce(refusal.message);
		return false;
	}
}

// The recorder answers with its own sections; those of moved sliders are kept until they are computed anew.
const changed = (file, answer) => put({ ...answer, sections: answer.sections ?? file.sections });

export const review = (file, reviewed = !file.reviewed) =>
	told(async () => {
		changed(file, await api.reviewed(file.name, reviewed));
		announce(`${file.name} is ${reviewed ? "reviewed" : "to review again"}.`);
	});

export const lock = (file, locked = !file.locked) =>
	told(async () => {
		changed(file, await api.lock(file.name, locked));
		announce(`${file.name} is ${locked ? "locked: it is not deleted, by nobody" : "unlocked"}.`);
	});

export const note = (file) =>
	told(async () => {
		const text = await ask("Note", `Note on ${file.name}`, file.note, { rows: 3 });
		if (text === null || text === file.note) return;
		changed(file, await api.note(file.name, text.trim()));
		announce("The note is kept.");
	});

const LAST_S = 30;
export const KEEP = `Keep the last ${LAST_S} s`;

/** Of a source, as a recording that nothing deletes. What was just heard is waited for. */
export const keep = (source) =>
	told(async () => {
		const { clips } = await api.keep(source, LAST_S);
		clips.forEach(put);
		announce(`Kept: ${clips.map(({ name }) => name).join(", ")}.`);
	});

export function keepButton(source) {
	const words = el("span", KEEP);
	const act = async () => {
		if (button.getAttribute("aria-busy") === "true") return;
		button.setAttribute("aria-busy", true);
		setText(words, "Keeping…");
		await keep(source);
		button.setAttribute("aria-busy", false);
		setText(words, KEEP);
	};
	const button = el("button.keep", { onclick: act, "aria-label": `${KEEP} of ${source}` }, icon("keep"), words);
	return button;
}

/** The same for many: act(file) answers what the recorder made of it; done says what was done to all. */
export const each = (files, act, done) =>
	told(async () => {
		for (const file of files) put(await act(file));
		announce(`${count(files.length, "recording")} ${done}.`);
	});

/** Why it cannot be deleted, or null. */
export function undeletable(file) {
	if (file.state === "open") return "It is being recorded.";
	if (file.locked) return "It is locked.";
	return null;
}

/** Where recordings are uploaded, what that means for these. */
function uploaded(files) {
	if (!library.status?.uploads?.length) return "";
	const there = files.filter((file) => file.uploaded_at).length;
	return there === files.length ? "; it is uploaded" : there ? `; ${there} of ${files.length} are uploaded` : ", and it is NOT uploaded yet";
}

export const remove = (file) =>
	told(async () => {
		const lines = [
			`${clock(lengthOf(file))} of sound, ${bytes(file.bytes)}${file.sections.length ? `, ${count(file.sections.length, "section")}` : ""}.`,
			`It is gone from the recorder for good${uploaded([file])}.`,
		];
		if (!(await confirm(`Delete ${file.name}?`, lines, "Delete"))) return;
		await api.remove(file.name);
		drop(file.name);
		announce(`${file.name} is deleted.`);
	});

export const removeAll = (files) =>
	told(async () => {
		const able = files.filter((file) => undeletable(file) === null);
		const seconds = able.reduce((sum, file) => sum + lengthOf(file), 0),
			size = able.reduce((sum, file) => sum + file.bytes, 0);
		if (able.length === 0) return announce("These are locked or being recorded.");
		const names =
			able
				.slice(0, 8)
				.map((file) => file.name)
				.join(", ") + (able.length > 8 ? ` and ${able.length - 8} more` : "");
		if (
			!(await confirm(
				`Delete ${count(able.length, "recording")}?`,
				[names, `${clock(seconds)} of sound, ${bytes(size)}. It is gone for good${uploaded(able)}.`],
				"Delete",
			))
		)
			return;
		for (const file of able) {
			await api.remove(file.name);
			drop(file.name);
		}
		announce(`${count(able.length, "recording")} deleted.`);
	});
