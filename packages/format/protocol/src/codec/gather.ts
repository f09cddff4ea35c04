import { ByteWriter, concat, viewOf } from "@samsa/base";

interface Splice {
  /** Position in the writer's own bytes at which the payload follows. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Smaller payloads are cheaper to copy than to send as a chunk of their own. */
const SPLICE_FROM = 512;
/** Memory that a writer keeps for its next message, in bytes. */
const KEPT_BYTES = 64 * 1024;
const FIRST_BYTES = 256;

/**
 * Writer that refers to large payloads instead of copying them. Positions count only the writer's own bytes, so that a
 * size prefix can be patched until `chunks()` is called.
 */
export class GatherWriter extends ByteWriter {
  private splices: Splice[] = [];
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
    return this.gathered(this.bytes);
  }

  /** Written bytes in order; they share memory with the payloads only. The writer is empty afterwards. */
  takeChunks(): Uint8Array[] {
    const isLarge = this.position > KEPT_BYTES;
    const chunks = this.gathered(isLarge ? this.bytes : this.bytes.slice(0, this.position));
    if (isLarge) this.renew();
    this.clear();
    return chunks;
  }

  /** Forgets what was written, for the next message. */
  clear(): void {
    this.position = 0;
    this.spliced = 0;
    if (this.splices.length > 0) this.splices = [];
    if (this.bytes.length > KEPT_BYTES) this.renew();
  }

  private renew(): void {
    this.bytes = new Uint8Array(FIRST_BYTES);
    this.view = viewOf(this.bytes);
  }

  private gathered(own: Uint8Array): Uint8Array[] {
    const all: Uint8Array[] = [];
    let from = 0;
    for (const { at, bytes } of this.splices) {
      if (at > from) all.push(own.subarray(from, at));
      all.push(bytes);
      from = at;
    }
    const { position } = this;
    if (position > from) all.push(from === 0 && position === own.length ? own : own.subarray(from, position));
    return all;
  }

  /** All bytes in one array; copies them if there are payloads. */
  override finish(): Uint8Array {
    return this.splices.length === 0 ? super.finish() : concat(this.chunks());
  }
}
