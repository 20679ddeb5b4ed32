// Fingers, pens and mice on a spectrogram: a drag selects, a tap goes there, two fingers, ctrl + wheel and a double tap zoom, shift
// and a drag or a sideways wheel move. What these do to the picture is its own affair.

/** picture: a Spectrogram, or what has its node, zoom, acts, under(event), chosen and choose(range, isDone). */
export function gestures(picture) {
	const { node, zoom, acts } = picture;
	const fingers = new Map();
	let start = null,
		pinch = null;
	node.addEventListener("pointerdown", (event) => {
		if (event.button !== 0) return;
		node.setPointerCapture(event.pointerId);
		fingers.set(event.pointerId, event.clientX);
		start = { ...picture.under(event), clientX: event.clientX, moves: event.shiftKey, from: zoom.from };
		if (fingers.size === 2) pinch = { apart: apart(), width: zoom.width, at: picture.under(event).second };
	});
	const apart = () => {
		const [a, b] = [...fingers.values()];
		return Math.max(Math.abs(a - b), 10);
	};
	node.addEventListener("pointermove", (event) => {
		if (!fingers.has(event.pointerId)) return;
		fingers.set(event.pointerId, event.clientX);
		if (pinch && fingers.size === 2) return zoom.by((pinch.width * pinch.apart) / apart() / zoom.width, pinch.at);
		if (!start || pinch || Math.abs(event.clientX - start.clientX) < 5) return;
		start.dragged = true;
		const now = picture.under(event);
		if (start.moves) return zoom.pan(start.from - ((event.clientX - start.clientX) / now.width) * zoom.width - zoom.from);
		picture.choose(
			{
				from: Math.min(start.second, now.second),
				to: Math.max(start.second, now.second),
				lo: Math.min(start.hz, now.hz),
				hi: Math.max(start.hz, now.hz),
			},
			false,
		);
	});
	const end = (event) => {
		if (!fingers.delete(event.pointerId)) return;
		if (pinch) return void (fingers.size === 0 && (pinch = start = null));
		if (start?.dragged && !start.moves) picture.choose(picture.chosen, true);
		else if (start && !start.dragged && event.type === "pointerup") acts.seek(start.second);
		start = null;
	};
	node.addEventListener("pointerup", end);
	node.addEventListener("pointercancel", end);
	node.addEventListener("dblclick", (event) => zoom.by(0.25, picture.under(event).second));
	node.addEventListener(
		"wheel",
		(event) => {
			const at = picture.under(event);
			if (event.ctrlKey || event.metaKey) {
				event.preventDefault();
				zoom.by(1.0025 ** event.deltaY, at.second);
			} else if ((event.deltaX !== 0 || event.shiftKey) && !zoom.isWhole) {
				event.preventDefault();
				zoom.pan(((event.deltaX || event.deltaY) / at.width) * zoom.width);
			}
		},
		{ passive: false },
	);
}
