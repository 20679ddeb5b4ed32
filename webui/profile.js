// The recorder's `.profile` of one recording: levels and detection bands ten times a second, display columns once a second.
// A value v of a band is -127.5 + v/2 dBFS.
// Views into the bytes as they came; nothing is copied.

const MAGIC = 0x46505053; // "SPPF", little endian
const HEAD = 22;

export class Profile {
	/** Throws a sentence when these bytes are not a profile of version 1. */
	constructor(buffer) {
		const view = new DataView(buffer);
		if (buffer.byteLength < HEAD + 4 || view.getUint32(0, true) !== MAGIC) throw new Error("This is not a profile.");
		if (view.getUint16(4, true) !== 1) throw new Error("This profile is of a version that the page does not know.");
		this.detectionBands = view.getUint16(6, true);
		this.columnBands = view.getUint16(8, true);
		this.rateHz = view.getUint32(10, true);
		this.frames = Number(view.getBigUint64(14, true));
		const edges = (at, n) => Float32Array.from({ length: n }, (_, i) => view.getFloat32(at + 4 * i, true));
		this.detectionEdges = edges(HEAD, this.detectionBands + 1);
		this.columnEdges = edges(HEAD + 4 * this.detectionEdges.length, this.columnBands + 1);
		const at = HEAD + 4 * (this.detectionBands + this.columnBands + 2);
		this.windows = this.#windowsIn(buffer.byteLength - at - 4);
		this.seconds = Math.ceil(this.windows / 10);
		this.levels = new Int16Array(buffer, at, this.windows); // `at` is even: 22 + 4·n
		this.detection = new Uint8Array(buffer, at + 2 * this.windows, this.windows * this.detectionBands);
		this.columns = new Uint8Array(buffer, at + (2 + this.detectionBands) * this.windows, this.seconds * this.columnBands);
	}

	/** The number of windows whose levels, cells and columns fill so many bytes. */
	#windowsIn(bytes) {
		const size = (windows) => windows * (2 + this.detectionBands) + Math.ceil(windows / 10) * this.columnBands;
		let windows = Math.floor(bytes / (2 + this.detectionBands + this.columnBands / 10));
		while (windows > 0 && size(windows) > bytes) windows -= 1;
		if (size(windows) !== bytes) throw new Error("This profile is torn.");
		return windows;
	}

	get duration() {
		return this.frames / this.rateHz;
	}

	/** Highest level in dBFS of windows [from, to). */
	peakLevel(from, to) {
		let best = -12000;
		for (let k = Math.max(0, from); k < Math.min(to, this.windows); k++) best = Math.max(best, this.levels[k]);
		return best / 100;
	}
}
