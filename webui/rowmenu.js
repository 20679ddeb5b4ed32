// Everything that one can do with a recording, as the list behind its three dots; on a phone the only way to it.
import { urls } from "./api.js";
import { show } from "./dialog.js";
import { announce, el } from "./dom.js";
import { KEEP, keep, lock, note, remove, review, undeletable } from "./marks.js";

/** row: {file, open(wanted, byHand), openCut()}. */
export function entries(row) {
	const { file } = row,
		isOpen = file.state === "open",
		why = undeletable(file);
	return [
		{ text: "Cut", sign: "cut", run: () => row.openCut() },
		{ text: "Download", sign: "download", href: urls.download(file.name) },
		{ text: file.reviewed ? "To review again" : "Mark reviewed", sign: "check", run: () => review(file) },
		{ text: file.locked ? "Unlock" : "Lock", sign: "lock", run: () => lock(file) },
		{ text: file.note ? "Change the note" : "Add a note", sign: "note", run: () => note(file) },
		...(isOpen && file.source ? [{ text: KEEP, sign: "keep", run: () => keep(file.source) }] : []),
		{ text: "Copy a link", sign: "share", run: () => (row.open(true, true), copy(location.href)) },
		...(isOpen
			? []
			: [
					{ text: "Sections as CSV", sign: "download", href: urls.export(file.name, "events.csv") },
					{ text: "Raven selections", sign: "download", href: urls.export(file.name, "raven.txt") },
					{ text: "Audacity labels", sign: "download", href: urls.export(file.name, "labels.txt") },
				]),
		{
			text: why ? `Delete (${why.toLowerCase().replace(".", "")})` : "Delete",
			sign: "trash",
			run: () => remove(file),
			off: why !== null,
			danger: true,
		},
	];
}

/** Onto the clipboard, or, where a plain http page may not, shown to be copied. */
export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		announce("The link is copied.");
	} catch {
		const field = el("input", { readonly: true, class: "wide-input", "aria-label": "Link", autofocus: true });
		field.value = text;
		field.addEventListener("focus", () => field.select());
		await show("A link to this", [field], [el("button", { value: "", type: "submit" }, "Done")]);
	}
}
