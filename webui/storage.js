// Where recordings stay and where they go: how room is made, what was deleted for it and why, and each place that they are uploaded to.
import { card, el, facts, icon } from "./dom.js";
import { bytes, count } from "./format.js";
import { local } from "./library.js";

/** What the card of the disk says besides: what goes next, and what went. */
export function keeping({ mode, retention }) {
	if (mode !== "record") return [];
	if (!retention) return [["Deletes by itself", "nothing"]];
	const { floor_bytes, deleted, deleted_bytes } = retention;
	return [
		["Deletes by itself", floor_bytes > 0 ? `the oldest when less than ${bytes(floor_bytes)} are free` : "what is older than it should be"],
		["Never", "what is locked, and is being recorded"],
		["Deleted since the start", deleted > 0 ? `${count(deleted, "recording")}, ${bytes(deleted_bytes)}` : "nothing"],
	];
}

/** The last ones that it deleted. */
export function deletions({ retention }) {
	const rows = (retention?.recent ?? []).map(({ name, at, reason }) => el("li", el("span", name), el("span.dim", `${local(at)}, ${reason}`)));
	return rows.length > 0 && card("Deleted lately", el("ul.deleted", { tabindex: "0" }, ...rows));
}

const STATES = { held: "waits for its hours", absent: "is not there", failing: "fails" };

export function uploads({ uploads = [] }) {
	return uploads.map(({ name, kind, state, file, part, parts, backlog_files, backlog_bytes, uploaded_files, uploaded_at, trouble, again_at, note }) =>
		card(
			`Upload: ${name}`,
			facts("dl.table", [
				["State", [trouble && icon("warn"), ` ${STATES[state] ?? state}${parts > 1 ? `, part ${part} of ${parts}` : ""}`]],
				["Recording", file],
				["To be sent", backlog_files > 0 ? `${count(backlog_files, "recording")}, ${bytes(backlog_bytes)}` : "nothing"],
				["Sent since the start", count(uploaded_files, "recording")],
				["The last at", uploaded_at && local(uploaded_at)],
				["Trouble", trouble],
				["Next try", again_at && local(again_at, 19)],
				["Place", `${kind}${note ? `, ${note}` : ""}`],
			]),
		),
	);
}
