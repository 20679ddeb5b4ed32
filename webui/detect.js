// Sections of a recording from its profile, by the recorder's own rules, so that the sliders answer at once. All comparisons are
// of integers (hundredths or halves of a decibel), as the recorder's are: the same profile gives the same sections here and there.
// Nothing is fetched or drawn here.

/** Windows in which a floor is constant: 30 s. */
const BLOCK = 300;
const WINDOWS_PER_SECOND = 10;
/** No floor is lower than -90 dBFS: as hundredths, and as a cell's value. */
const LOWEST_LEVEL = -9000,
	LOWEST_CELL = 75;

/** First window of every block; a last block under half a block belongs to the one before. */
export function blocks(windows) {
	const starts = [];
	for (let at = 0; at < windows; at += BLOCK) {
		if (at === 0 || windows - at >= BLOCK / 2) starts.push(at);
	}
	return starts;
}

/** Nearest-rank 20th percentile of each block of values[first + k·stride], by counting: values lie in [min, max]. */
function floors(values, windows, first, stride, min, max, lowest) {
	const starts = blocks(windows);
	const counts = new Uint32Array(max - min + 1);
	return starts.map((start, at) => {
		const end = starts[at + 1] ?? windows;
		counts.fill(0);
		for (let k = start; k < end; k++) counts[values[first + k * stride] - min] += 1;
		const rank = Math.ceil((end - start) / 5);
		let seen = 0,
			value = 0;
		while (seen + counts[value] < rank) seen += counts[value++];
		return Math.max(value + min, lowest);
	});
}

/** Of every block, in hundredths of dBFS. */
export const levelFloors = (profile) => floors(profile.levels, profile.windows, 0, 1, -12000, 0, LOWEST_LEVEL);

/** For each window, how far the loudest thing in it is over its floor in hundredths, or -1 if nothing is loud; and which bands. */
function excess(profile, detector, margin) {
	const { windows } = profile;
	const over = new Int16Array(windows).fill(-1);
	const loud = detector === "bands" ? new Uint32Array(windows) : null;
	const look = (values, first, stride, floor, starts, scale, bit) => {
		starts.forEach((start, at) => {
			const end = starts[at + 1] ?? windows;
			for (let k = start; k < end; k++) {
				const by = (values[first + k * stride] - floor[at]) * scale;
				if (by < margin) continue;
				if (by > over[k]) over[k] = by;
				if (loud) loud[k] |= bit;
			}
		});
	};
	const starts = blocks(windows);
	if (!loud) {
		look(profile.levels, 0, 1, levelFloors(profile), starts, 1, 0);
	} else {
		for (let b = 0; b < profile.detectionBands; b++) {
			const floor = floors(profile.detection, windows, b, profile.detectionBands, 0, 255, LOWEST_CELL);
			look(profile.detection, b, profile.detectionBands, floor, starts, 50, 1 << b);
		}
	}
	return { over, loud };
}

/**
 * Sections as the recorder would answer them.
 * settings: {detector: "level"|"bands", margin_db, min_gap_s, min_length_s}
 */
export function sections(profile, settings) {
	const margin = Math.round(settings.margin_db * 100);
	const gap = Math.round(settings.min_gap_s * 1000),
		least = Math.round(settings.min_length_s * 1000);
	const { over, loud } = excess(profile, settings.detector, Math.max(margin, 0));
	const found = [];
	for (let k = 0; k < profile.windows; k++) {
		if (over[k] < 0) continue;
		const last = found[found.length - 1];
		const joins = last && (k === last.end || (k - last.end) * (1000 / WINDOWS_PER_SECOND) < gap);
		const section = joins ? last : { first: k, end: k, score: 0, bands: 0 };
		if (!joins) found.push(section);
		section.end = k + 1;
		section.score = Math.max(section.score, over[k]);
		if (loud) section.bands |= loud[k];
	}
	const kept = loud ? found.filter((s) => (s.end - s.first) * (1000 / WINDOWS_PER_SECOND) >= least) : found;
	return kept.map((s) => described(s, profile));
}

function described({ first, end, score, bands }, profile) {
	const edges = profile.detectionEdges;
	return {
		from_s: first / WINDOWS_PER_SECOND,
		to_s: end / WINDOWS_PER_SECOND,
		score_db: Math.round(score / 10) / 10,
		f_lo_hz: bands ? edges[31 - Math.clz32(bands & -bands)] : null,
		f_hi_hz: bands ? edges[32 - Math.clz32(bands)] : null,
	};
}
