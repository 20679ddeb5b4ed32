// The recorder's clock where nothing keeps it right: that is said, and a phone, which knows the time, may set it if somebody agrees.
import { api } from "./api.js";
import { confirm } from "./dialog.js";
import { announce, el, icon } from "./dom.js";
import { library, loadDay, loadDays, loadStatus, local, now } from "./library.js";
import { told } from "./marks.js";

const STATES = { system: "right, kept by the network", browser: "set from a browser, and kept by nobody", none: "not set by anything" };
export const clockState = ({ source, synced }) => STATES[source ?? (synced ? "system" : "none")];
const isOpen = ({ mode, clock }) => mode === "record" && !clock.synced;

const set = () =>
	told(async () => {
		const agreed = await confirm(
			"Set the clock from this phone?",
			[
				`The recorder says ${local(now(), 19)}, this phone ${local(Date.now(), 19)}.`,
				"What it records from now on has this phone's time, and what it recorded since it was started is corrected. A time server or a GPS still takes over when there is one.",
			],
			"Set the clock",
			"primary",
		);
		if (!agreed) return;
		await api.setClock(new Date().toISOString());
		announce("The clock is set.");
		await Promise.all([loadStatus(), loadDays(), ...[...library.loaded.keys()].map((date) => loadDay(date, true))]);
	});

export const clockButton = (status) => isOpen(status) && el("button.set-clock", { onclick: set }, "Set the clock from this phone");

/** The line below the head, until somebody has set it. */
export const clockLine = (status) =>
	isOpen(status) &&
	status.clock.source !== "browser" &&
	el("p.alarm", icon("warn"), el("strong", "Clock"), " Nothing has set the recorder's clock: its dates and times may be wrong. ", clockButton(status));
