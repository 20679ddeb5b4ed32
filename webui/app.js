// The page: what a person sees of a soundpost, in one document, four views and a bar.
//
//   days (day, daypicture, activity, chips, row)   what was recorded, newest first; `#/` and `#/day/DATE`
//   calendar, status                               `#/calendar`, `#/status`
//   liveview (waterfall, bars, listen, tuner)      a source as it sounds now; `#/live/SOURCE`
//   player (spectrogram, waveform, zoom, cut)      one recording, inside its row
//   clipbar, clipview                              short clips at the foot, one after another
//
// State is in three places only. The address holds all that a link should carry (store.js lists it). library.js holds what the
// recorder has told; events.js changes it as things happen. localStorage holds what belongs to this device. Modules read these and
// are told of changes; nobody keeps a copy.
//
// Below the views: sound.js (one thing sounds at a time), detect.js (the recorder's rules, so that sliders answer at once), profile.js,
// palette.js, format.js, dom.js, api.js. No build step, nothing from elsewhere: these files are what the browser runs.
import { onLocked, onSlow } from "./api.js";
import * as calendar from "./calendar.js";
import { resume } from "./clipbar.js";
import * as days from "./days.js";
import { el } from "./dom.js";
import * as events from "./events.js";
import * as filters from "./filters.js";
import * as keys from "./keys.js";
import { loadDays, loadStatus } from "./library.js";
import * as live from "./live.js";
import * as liveview from "./liveview.js";
import { login } from "./login.js";
import * as status from "./status.js";
import * as store from "./store.js";

function showView(views) {
	const { view } = store.get();
	for (const [name, node] of Object.entries(views)) node.hidden = name !== view;
	document.getElementById("filters").hidden = view !== "days";
	document.body.dataset.view = view;
	if (view === "calendar") calendar.show();
	if (view === "status") status.show();
	liveview.show(view === "live");
}

async function begin() {
	const place = document.getElementById("view");
	try {
		await Promise.all([loadStatus(), loadDays()]);
	} catch (refusal) {
		place.prepend(
			el(
				"div.empty",
				{ role: "alert" },
				el("h2", "No answer"),
				el("p", refusal.message),
				el("button.primary", { onclick: () => location.reload() }, "Try again"),
			),
		);
		return;
	} finally {
		place.querySelector(".skeleton")?.remove();
	}
	events.start();
	resume();
}

store.start();
onLocked(login);
onSlow((n) => (document.getElementById("busy").hidden = n === 0));
live.start();
filters.start();
keys.start();
const views = { days: days.start(), live: liveview.start(), calendar: calendar.start(), status: status.start() };
document.getElementById("view").append(...Object.values(views));
store.on("view", () => {
	showView(views);
	scrollTo(0, 0);
});
showView(views);
begin();
