import { ByteWriter, concat } from "@samsa/base";

interface Splice {
  /** Position in the writer's own bytes at which the payload follows. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Smaller payloads are cheaper to copy than to send as a chunk of their own. */
const SPLICE_FROM = 512;

/**
 * Writer that refers to large payloads instead of copying them. Positions count only the writer's own bytes, so that a
 * size prefix can be patched until `chunks()` is called.
 */
export class GatherWriter extends ByteWriter {
  private readonly splices: Splice[] = [];
  private spliced = 0;

  /** Appends `bytes`, which must not change until the chunks are sent. */
  splice(bytes: Uint8Array): void {
    if (bytes.length < SPLICE_FROM) {
      this.raw(bytes);
      return;
    }
    this.splices.push({ at: this.position, bytes });
    this.spliced += bytes.length;
  }

  /** Total number of bytes, payloads included. */
  length(): number {
    return this.position + this.spliced;
  }

  /** Written bytes in order; they share memory with the writer and the payloads. */
  chunks(): Uint8Array[] {
    const all: Uint8Array[] = [];
    let from = 0;
    for (const { at, bytes } of this.splices) {
      if (at > from) all.push(this.bytes.subarray(from, at));
      all.push(bytes);
      from = at;
    }
    if (this.position > from) all.push(this.bytes.subarray(from, this.position));
    return all;
  }

  /** All bytes in one array; copies them if there are payloads. */
  override finish(): Uint8Array {
    return this.splices.length === 0 ? super.finish() : concat(this.chunks());
  }
}
