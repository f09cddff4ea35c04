import { FIELD } from "@samsa/records";
import { vouchedFor } from "./device.ts";
import type { SimDisk } from "./disk.ts";
import type { Prng } from "./prng.ts";

/** Damaged log and the offset range [from, to) that the damage may cost. */
export interface Struck {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** Damage in the last segment, which recovery skips: later appends to it may be unreadable. */
  readonly isHidden: boolean;
}

/** Logs whose files may be damaged. All others must keep every record. */
const VICTIM = /^(temp-\d|plain|flushed)-(\d+)$/;

/** Flips bits in files while the broker is down. */
export class DiskDecay {
  readonly #disk: SimDisk;
  readonly #rng: Prng;

  constructor(disk: SimDisk, rng: Prng) {
    this.#disk = disk;
    this.#rng = rng;
  }

  /** Damages a file of one log, or nothing. */
  strike(): Struck[] {
    const rng = this.#rng;
    if (rng.chance(0.4)) return [];
    const disk = this.#disk.mount();
    const logs = ["/data", "/data2"]
      .filter(root => disk.stat(root) !== undefined)
      .flatMap(root => disk.list(root).map(({ name }) => ({ root, match: VICTIM.exec(name) })))
      .flatMap(({ root, match }) => {
        const [log, topic, partition] = match ?? [];
        return log === undefined || topic === undefined ? [] : [{ root, log, topic, partition: Number(partition) }];
      });
    if (logs.length === 0) return [];
    const { root, log, topic, partition } = rng.oneOf(logs);
    const path = `${root}/${log}`;
    const files = disk
      .list(path)
      .map(({ name }) => name)
      .filter(
        name => /\.(?:log|index|timeindex|snapshot)$/.test(name) && (disk.stat(`${path}/${name}`)?.size ?? 0) > 0,
      );
    if (files.length === 0) return [];
    const name = rng.oneOf(files);
    const size = disk.stat(`${path}/${name}`)?.size ?? 0;
    const at = rng.int(0, size - 1);
    // The batch CRC does not cover the fields that a leader writes (offset, epoch): damage there is undetectable.
    if (name.endsWith(".log") && !isCovered(this.#disk.durableBytes(`${path}/${name}`), at)) return [];
    this.#disk.flipBit(`${path}/${name}`, at);
    return [{ topic, partition, ...this.#cost(root, log, name) }];
  }

  /**
   * Damage to a segment costs that segment. If recovery reads the segment, it truncates the log there, and all later
   * records are lost as well. Damage to a snapshot costs nothing: producer state is rebuilt from the log.
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

/** True if the byte at `at` belongs to a batch's CRC or to the bytes that the CRC covers. */
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
