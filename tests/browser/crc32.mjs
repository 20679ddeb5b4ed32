// CRC-32 as in zlib and zip. node:zlib has it from 22.2 on only.
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
	let crc = byte;
	for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
	return crc;
});

/** Of bytes, or of a text in UTF-8. */
export function crc32(data) {
	let crc = 0xffffffff;
	for (const byte of Buffer.from(data)) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
	return (crc ^ 0xffffffff) >>> 0;
}
