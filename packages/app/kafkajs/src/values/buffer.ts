const EMPTY = Buffer.alloc(0);

/** Buffer over bytes, without a copy; an empty one for null. */
export function bufferOf(bytes: Uint8Array | null): Buffer {
  return bytes === null ? EMPTY : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
