import { FIELD } from "@samsa/records";
import { vouchedFor } from "./device.ts";
import type { SimDisk } from "./disk.ts";
import type { Prng } from "./prng.ts";

/** A log with damage in it, and which of its offsets that may cost. */
export interface Struck {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** No start looks at the damage, and appends go on behind it: what comes there may be out of reach. */
  readonly isHidden: boolean;
}

/** Topics whose files may be damaged: of the others nothing may be lost. */
const VICTIM = /^(temp-\d|plain|flushed)-(\d+)$/;

/** Turns over bits of files while nobody uses them. */
export class DiskDecay {
  readonly #disk: SimDisk;
  readonly #rng: Prng;

  constructor(disk: SimDisk, rng: Prng) {
    this.#disk = disk;
    this.#rng = rng;
  }

  /** Damages a file of some log, or none. */
  strike(): Struck[] {
    const rng = this.#rng;
    if (rng.chance(0.4)) return [];
    const disk = this.#disk.mount();
    const logs = ["/data", "/data2"]
      .filter(root => disk.stat(root) !== undefined)
      .flatMap(root => disk.list(root).map(({ name }) => ({ root, match: VICTIM.exec(name) })))
      .flatMap(({ root, match }) => (match === null ? [] : [{ path: `${root}/${match[0]}`, root, match }]));
    if (logs.length === 0) return [];
    const { path, root, match } = logs[rng.int(0, logs.length - 1)];
    const files = disk
      .list(path)
      .map(({ name }) => name)
      .filter(
        name => /\.(?:log|index|timeindex|snapshot)$/.test(name) && (disk.stat(`${path}/${name}`)?.size ?? 0) > 0,
      );
    if (files.length === 0) return [];
    const name = files[rng.int(0, files.length - 1)];
    const size = disk.stat(`${path}/${name}`)?.size ?? 0;
    const at = rng.int(0, size - 1);
    // Kafka's checksum leaves out what a leader writes into a batch: damage there cannot be noticed by anybody.
    if (name.endsWith(".log") && !isCovered(this.#disk.durableBytes(`${path}/${name}`), at)) return [];
    this.#disk.flipBit(`${path}/${name}`, at);
    return [{ topic: match[1], partition: Number(match[2]), ...this.#cost(root, match[0], name) }];
  }

  /**
   * A damaged segment costs what is in it; where a start reads it, it is cut, and what comes behind goes with it. A damaged
   * snapshot costs nothing: producers are read from the log.
   */
  #cost(root: string, log: string, file: string): Pick<Struck, "from" | "to" | "isHidden"> {
    const base = Number(file.slice(0, 20));
    if (file.endsWith(".snapshot")) return { from: base, to: base, isHidden: false };
    const { bases, from } = vouchedFor(this.#disk, root, log);
    const next = Math.min(Infinity, ...bases.filter(other => other > base));
    const isRead = base >= from;
    return { from: base, to: isRead ? Infinity : next, isHidden: !isRead && next === Infinity };
  }
}

/** Whether the byte at `at` belongs to what a batch's checksum covers, or to the checksum. */
function isCovered(bytes: Uint8Array, at: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start + FIELD.attributes <= bytes.length; ) {
    const end = start + 12 + view.getInt32(start + FIELD.length);
    if (at < end) return at >= start + FIELD.crc;
    if (end <= start) return false;
    start = end;
  }
  return false;
}
