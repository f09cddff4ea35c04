import { ByteWriter, concat } from "@samsa/base";

interface Splice {
  /** Where in the writer's own bytes the payload goes. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Payloads below this are cheaper to copy than to carry as a chunk of their own. */
const SPLICE_FROM = 512;

/**
 * A writer that refers to big payloads instead of copying them. Positions count only the writer's own bytes, so what
 * was written earlier (a size prefix) can be patched until `chunks()` is called.
 */
export class GatherWriter extends ByteWriter {
  private readonly splices: Splice[] = [];
  private spliced = 0;

  /** Appends `bytes`, which must not change until the chunks are on the wire. */
  splice(bytes: Uint8Array): void {
    if (bytes.length < SPLICE_FROM) {
      this.raw(bytes);
      return;
    }
    this.splices.push({ at: this.position, bytes });
    this.spliced += bytes.length;
  }

  /** Bytes in all, payloads included. */
  length(): number {
    return this.position + this.spliced;
  }

  /** What has been written, in order; shares memory with the writer and with the payloads. */
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

  /** Everything in one array; copies when there are payloads. */
  override finish(): Uint8Array {
    return this.splices.length === 0 ? super.finish() : concat(this.chunks());
  }
}
