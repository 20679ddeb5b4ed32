// The form that is shown when the recorder asks for its password. One form, however many requests wait for it.
import { api } from "./api.js";
import { el } from "./dom.js";

let shown = null;

/** Answers true when one is logged in. */
export function login() {
	shown ??= ask().finally(() => (shown = null));
	return shown;
}

function ask() {
	const password = el("input", {
		type: "password",
		id: "password",
		autocomplete: "current-password",
		required: true,
		autofocus: true,
	});
	const trouble = el("p.bad", { role: "alert" });
	const button = el("button.primary", { type: "submit" }, "Open");
	const form = el(
		"form",
		el("h2", { id: "login-title" }, "This recorder is locked"),
		el("p.dim", "Its password was set by whoever put it up."),
		el("label.field", "Password", password),
		trouble,
		el("div.buttons", button),
	);
	const box = el("dialog.login", { "aria-labelledby": "login-title" }, form);
	document.body.append(box);
	box.showModal();
	box.addEventListener("cancel", (event) => event.preventDefault());
	return new Promise((done) =>
		form.addEventListener("submit", async (event) => {
			event.preventDefault();
			button.disabled = true;
			trouble.textContent = "";
			try {
				await api.login(password.value);
				box.close();
				box.remove();
				done(true);
			} catch (refusal) {
				trouble.textContent = refusal.message;
				password.select();
			}
			button.disabled = false;
		}),
	);
}
