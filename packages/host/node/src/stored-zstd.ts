/** Most bytes of a block, and the window that the header announces (RFC 8878, 3.1.1). */
const BLOCK = 131_072;
const BLOCK_HEADER = 3;
/** Magic number, a descriptor that announces four bytes of content size, and the window: 2^17 bytes. */
const HEADER = [0x28, 0xb5, 0x2f, 0xfd, 0x80, 0x38];

/**
 * A zstd frame that holds `input` as it is, for runtimes that only decompress: a broker has to write batches of zstd again when
 * it compacts a log, whatever runs it.
 */
export function storedZstd(input: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(input.length / BLOCK));
  const frame = new Uint8Array(HEADER.length + 4 + blocks * BLOCK_HEADER + input.length);
  frame.set(HEADER);
  let at = HEADER.length;
  new DataView(frame.buffer).setUint32(at, input.length, true);
  at += 4;
  for (let block = 0; block < blocks; block++) {
    const part = input.subarray(block * BLOCK, (block + 1) * BLOCK);
    // Type 0 is a raw block; the lowest bit marks the last one.
    const header = (part.length << 3) | (block === blocks - 1 ? 1 : 0);
    frame.set([header & 0xff, (header >> 8) & 0xff, header >> 16], at);
    frame.set(part, at + BLOCK_HEADER);
    at += BLOCK_HEADER + part.length;
  }
  return frame;
}
