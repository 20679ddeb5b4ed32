// Colours of pictures of sound, as tables of 256 entries. A path through OKLCH with lightness in equal steps: two sounds that
// differ by one decibel differ as much to the eye at the dark end as at the bright one.
import { clamp } from "./format.js";

const PATHS = {
	// [lightness, chroma, hue in degrees], equally spaced; hues go on past 360 rather than back through green.
	ember: [
		[0.1, 0.02, 285],
		[0.28, 0.12, 295],
		[0.45, 0.18, 340],
		[0.62, 0.2, 380],
		[0.8, 0.15, 425],
		[0.96, 0.09, 460],
	],
	fern: [
		[0.12, 0.05, 290],
		[0.3, 0.11, 275],
		[0.46, 0.1, 225],
		[0.62, 0.12, 175],
		[0.78, 0.17, 140],
		[0.94, 0.17, 105],
	],
	grey: [
		[0.08, 0, 0],
		[0.97, 0, 0],
	],
};
export const NAMES = Object.keys(PATHS);

function srgb(l, c, h) {
	const a = c * Math.cos((h * Math.PI) / 180),
		b = c * Math.sin((h * Math.PI) / 180);
	const [x, y, z] = [
		l + 0.3963377774 * a + 0.2158037573 * b,
		l - 0.1055613458 * a - 0.0638541728 * b,
		l - 0.0894841775 * a - 1.291485548 * b,
	].map((v) => v ** 3);
	const linear = [
		4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
		-1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
		-0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z,
	];
	return linear.map((v) => {
		const bound = clamp(v, 0, 1);
		return Math.round(255 * (bound <= 0.0031308 ? 12.92 * bound : 1.055 * bound ** (1 / 2.4) - 0.055));
	});
}

/** Little-endian RGBA of step i of 256, as ImageData's Uint32 view takes it. */
function table(path) {
	return Uint32Array.from({ length: 256 }, (_, i) => {
		const at = (i / 255) * (path.length - 1);
		const low = Math.min(Math.floor(at), path.length - 2),
			part = at - low;
		const [l, c, h] = path[low].map((v, n) => v + (path[low + 1][n] - v) * part);
		const [r, g, b] = srgb(l, c, h);
		return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
	});
}

const tables = new Map();
function palette(name) {
	const known = PATHS[name] ? name : NAMES[0];
	if (!tables.has(known)) tables.set(known, table(PATHS[known]));
	return tables.get(known);
}

/**
 * From cell values 0..255 to colours, so that [dark, bright] dBFS spans the palette.
 * The table is 256 entries too: drawing is one look-up per pixel.
 */
export function coloured(name, dark, bright) {
	const colours = palette(name);
	return Uint32Array.from({ length: 256 }, (_, v) => {
		const part = (-127.5 + v / 2 - dark) / (bright - dark);
		return colours[Math.round(255 * clamp(part, 0, 1))];
	});
}

/** Levels between which the picture of these cells has its contrast: a quiet percentile and the loudest. 255 is no sound. */
function contrast(cells) {
	const counts = new Uint32Array(256);
	const step = Math.max(1, Math.floor(cells.length / 200000));
	let n = 0;
	for (let i = 0; i < cells.length; i += step)
		if (cells[i] !== 255) {
			counts[cells[i]] += 1;
			n += 1;
		}
	const at = (share) => {
		let seen = 0;
		for (let v = 0; v < 255; v++) if ((seen += counts[v]) > n * share) return -127.5 + v / 2;
		return 0;
	};
	const dark = at(0.25),
		bright = Math.max(at(0.998), dark + 30);
	return [dark - 2, bright + 3];
}

/** The median of each band: what is there all the time. */
function medians(cells, bands) {
	const counts = new Uint32Array(256);
	const columns = cells.length / bands,
		step = Math.max(1, Math.floor(columns / 2000));
	return Int16Array.from({ length: bands }, (_, band) => {
		counts.fill(0);
		let n = 0,
			seen = 0,
			v = 0;
		for (let c = 0; c < columns; c += step)
			if (cells[c * bands + band] !== 255) {
				counts[cells[c * bands + band]] += 1;
				n += 1;
			}
		while (v < 254 && seen + counts[v] <= n / 2) seen += counts[v++];
		return v;
	});
}

/** The value that stands for "as loud as always" once the background is taken out. */
const USUAL = 100;

/**
 * How cells of a picture become colours: {table: 256 colours, base: what to take from each band, or null}. A pixel of value v in band b
 * is table[base ? v - base[b] : v], within the table. `isEven` takes out what is there all the time: from 2 to 36 dB over it are shown.
 */
export function ink(cells, bands, name, isEven) {
	if (!isEven) return { table: coloured(name, ...contrast(cells)), base: null };
	const base = medians(cells, bands).map((v) => v - USUAL);
	return { table: coloured(name, -127.5 + (USUAL + 4) / 2, -127.5 + (USUAL + 72) / 2), base };
}
