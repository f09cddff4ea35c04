import { type Offset, sameItems } from "@samsa/base";
import { logOf, type Node } from "@samsa/broker";
import type { MetadataImage } from "@samsa/metadata";
import { BatchCursor } from "@samsa/records";
import type { PartitionLog } from "@samsa/storage";
import { Violation } from "../ledgers/rules.ts";
import { ImageTexts } from "./image-text.ts";
import type { ClusterMachine } from "./machine.ts";

const METADATA = "__cluster_metadata";
const READ_BYTES = 1 << 20;

/** Last batches that were compared, and positions of one node, as far as they may not go back. */
interface Seen {
  life: number;
  /** Highest epoch of the quorum, in any life. */
  epoch: number;
  committed: Offset;
  image: MetadataImage | undefined;
  readonly texts: ImageTexts;
  /** High watermark of each leader, by its partition and epoch. */
  readonly watermarks: Map<string, Offset>;
  /** Partitions whose ISR is below the minimum, with the partition epoch and the high watermark at that time. */
  readonly stuck: Map<string, readonly [epoch: number, highWatermark: Offset]>;
  /** Offset up to which each log was compared. */
  readonly compared: Map<string, Offset>;
}

type Led = ReturnType<Node["broker"]["topics"]["all"]> extends Iterable<infer P> ? P : never;

/** Key of a partition in one of its leader epochs. */
interface EpochKey {
  readonly leaderEpoch: number;
  readonly key: string;
}

/** Checks that every leader is a broker that may serve: one that is fenced has lost its partitions in the same step. */
function lookAtLeaders({ brokers, topics, provenance }: MetadataImage): void {
  for (const { name, partitions } of topics.values()) {
    for (const [index, { leader }] of partitions) {
      if (leader < 0 || brokers.get(leader)?.fenced === false) continue;
      throw new Violation("a fenced broker leads", `${leader} of ${name}-${index} at ${provenance.offset}`);
    }
  }
}

/** Notes that `id` leads in an epoch, unless another does; returns the one that was there first. */
function leads<K>(leaders: Map<K, number>, epoch: K, id: number): number {
  const known = leaders.get(epoch);
  if (known !== undefined) return known;
  leaders.set(epoch, id);
  return id;
}

function labelOf({ topic, index }: Led): string {
  return `${topic}-${index}`;
}

/** End of a broker's replica that is in the same epoch as the leader's; Infinity if it has none. */
function endOf(broker: Node | undefined, { topic, topicId, index, leaderEpoch }: Led): Offset {
  const replica = broker?.broker.topics.partitionsOf(topic)[index];
  const isFollowing = replica?.topicId === topicId && replica.leaderEpoch === leaderEpoch;
  return replica !== undefined && isFollowing ? replica.endOffset : Infinity;
}

/** Looks into the nodes of a cluster for what must hold between them at any time. */
export class ClusterWitness {
  /** Leader of each epoch of the quorum. */
  readonly #leaders = new Map<number, number>();
  /** Leader of each leader epoch of a partition. */
  readonly #partitionLeaders = new Map<string, number>();
  readonly #nodes = new Map<number, Seen>();
  /** Bytes of each batch below a high watermark, by log, then by base offset. */
  readonly #committed = new Map<string, Map<Offset, string>>();
  /** Pieces of the text of the metadata at each offset. */
  readonly #images = new Map<Offset, readonly string[]>();
  /** Last key of each partition that was looked at. */
  readonly #keys = new WeakMap<Led, EpochKey>();
  /** True for topics that keep what is committed; others may lose some of it when the power of a broker is cut. */
  readonly #keeps: (topic: string) => boolean;
  /** True for topics whose replicas may differ for a time: after an unclean election, or in what is compacted. */
  readonly #mayDiffer: (topic: string) => boolean;
  /** Number of comparisons, which show that something was looked at. */
  comparisons = 0;

  constructor(rules: {
    readonly keeps: (topic: string) => boolean;
    readonly mayDiffer: (topic: string) => boolean;
  }) {
    this.#keeps = rules.keeps;
    this.#mayDiffer = rules.mayDiffer;
  }

  /** Checks what costs little, after some events. */
  look(machines: readonly ClusterMachine[]): void {
    for (const machine of machines) {
      const { node } = machine;
      if (node === undefined) continue;
      const seen = this.#seen(machine);
      this.#lookAtQuorum(machine, node, seen);
      if (machine.isBroker) this.#lookAtPartitions(machine, node, seen);
    }
  }

  #seen(machine: ClusterMachine): Seen {
    const { id, life, isReplaced } = machine;
    let seen = this.#nodes.get(id);
    if (seen === undefined) {
      seen = {
        life,
        epoch: 0,
        committed: 0,
        image: undefined,
        texts: new ImageTexts(),
        watermarks: new Map(),
        stuck: new Map(),
        compared: new Map(),
      };
      this.#nodes.set(id, seen);
    }
    if (seen.life !== life) {
      Object.assign(seen, { life, committed: 0, image: undefined, ...(isReplaced ? { epoch: 0 } : {}) });
      seen.watermarks.clear();
      seen.stuck.clear();
      seen.compared.clear();
    }
    return seen;
  }

  #lookAtQuorum({ id, name }: ClusterMachine, { shared }: Node, seen: Seen): void {
    const { quorum, loader } = shared;
    const { epoch, leaderId, highWatermark } = quorum;
    if (epoch < seen.epoch) throw new Violation("an epoch went back", `${name}: ${epoch} after ${seen.epoch}`);
    seen.epoch = epoch;
    for (const leader of [quorum.isLeader ? id : undefined, leaderId]) {
      if (leader === undefined) continue;
      const known = leads(this.#leaders, epoch, leader);
      if (known === leader) continue;
      throw new Violation("two nodes lead at once", `epoch ${epoch} of the quorum: ${known} and ${leader}`);
    }
    if (highWatermark < seen.committed) {
      const detail = `${name}: the metadata were committed to ${seen.committed}, then to ${highWatermark}`;
      throw new Violation("the end went back", detail);
    }
    seen.committed = highWatermark;
    const { image } = loader;
    if (image === seen.image) return;
    const { offset } = image.provenance;
    if (seen.image !== undefined && offset < seen.image.provenance.offset) {
      throw new Violation("the metadata went back", `${name}: ${offset} after ${seen.image.provenance.offset}`);
    }
    seen.image = image;
    this.#compareImage(name, image, seen.texts);
  }

  #compareImage(name: string, image: MetadataImage, texts: ImageTexts): void {
    const { offset } = image.provenance;
    if (!this.#images.has(offset)) lookAtLeaders(image);
    const pieces = texts.piecesOf(image);
    const known = this.#images.get(offset);
    this.comparisons++;
    if (known === undefined) this.#images.set(offset, pieces);
    else if (!sameItems(known, pieces)) {
      throw new Violation(
        "the metadata differ",
        `${name} at ${offset}: ${pieces.join()}\n  elsewhere: ${known.join()}`,
      );
    }
  }

  #lookAtPartitions({ id, name }: ClusterMachine, node: Node, { watermarks, stuck }: Seen): void {
    for (const partition of node.broker.topics.all()) {
      // A new leader may not know yet how much is committed, and its followers take its high watermark as it is.
      if (partition.leader === undefined) continue;
      const key = this.#keyOf(partition);
      const known = leads(this.#partitionLeaders, key, id);
      if (known !== id) {
        const detail = `${labelOf(partition)} in epoch ${partition.leaderEpoch}: ${known} and ${id}`;
        throw new Violation("two nodes lead at once", detail);
      }
      const before = watermarks.get(key) ?? 0;
      const { highWatermark } = partition;
      if (highWatermark < before && this.#keeps(partition.topic)) {
        const detail = `${name} ${labelOf(partition)}: ${before}, then ${highWatermark}`;
        throw new Violation("the end went back", detail);
      }
      if (highWatermark !== before) watermarks.set(key, highWatermark);
      this.#lookAtMinimum(name, key, partition, stuck);
    }
  }

  #keyOf(partition: Led): string {
    const { topicId, index, leaderEpoch } = partition;
    const known = this.#keys.get(partition);
    if (known?.leaderEpoch === leaderEpoch) return known.key;
    const key = `${topicId}/${index}/${leaderEpoch}`;
    this.#keys.set(partition, { leaderEpoch, key });
    return key;
  }

  /** Checks that nothing is committed while the ISR is below `min.insync.replicas` (KIP-966). */
  #lookAtMinimum(name: string, key: string, partition: Led, stuck: Seen["stuck"]): void {
    const { leader, highWatermark } = partition;
    if (leader?.isBelowMinimum !== true) {
      if (stuck.size > 0) stuck.delete(key);
      return;
    }
    const before = stuck.get(key);
    if (before?.[0] === leader.partitionEpoch && highWatermark > before[1]) {
      const happened = `${before[1]}, then ${highWatermark} with ${leader.isr.join()} in sync`;
      const detail = `${name} ${labelOf(partition)}: ${happened}`;
      throw new Violation("too few replicas committed records", detail);
    }
    stuck.set(key, [leader.partitionEpoch, highWatermark]);
  }

  /** Checks that each replica in sync has what its leader says is committed, where none has lost anything. */
  compareEnds(machines: readonly ClusterMachine[]): void {
    const brokers = new Map<number, Node>();
    for (const { node, id, isBroker } of machines) if (node !== undefined && isBroker) brokers.set(id, node);
    for (const { node, name, isBroker } of machines) {
      if (node === undefined || !isBroker) continue;
      for (const partition of node.broker.topics.all()) {
        const { highWatermark, leader } = partition;
        for (const replica of leader?.maximalIsr ?? []) {
          const end = endOf(brokers.get(replica), partition);
          if (end >= highWatermark) continue;
          const detail = `${name} has committed to ${highWatermark}, ${replica} ends at ${end}`;
          throw new Violation("a replica in sync lacks committed records", `${labelOf(partition)}: ${detail}`);
        }
      }
    }
  }

  /** Forgets what replicas had of partitions that may lose records now; `all`: of all partitions. */
  mayLose(all: boolean): void {
    for (const key of this.#committed.keys()) {
      const topic = key.slice(key.indexOf(" ") + 1, key.lastIndexOf("-"));
      if (topic !== METADATA && (all || !this.#keeps(topic))) this.#committed.delete(key);
    }
    for (const { watermarks, stuck, compared } of this.#nodes.values()) {
      watermarks.clear();
      stuck.clear();
      compared.clear();
    }
  }

  /** Compares the logs of all replicas below their high watermarks, from the beginning if `whole`. */
  compareLogs(machines: readonly ClusterMachine[], whole: boolean): void {
    for (const machine of machines) {
      const { node } = machine;
      if (node === undefined) continue;
      const { compared } = this.#seen(machine);
      if (whole) compared.clear();
      const metadata = node.dirs.metadata.get(METADATA, 0);
      if (metadata !== undefined) {
        this.#compareLog(machine.name, `- ${METADATA}-0`, metadata, node.shared.quorum.highWatermark, compared);
      }
      if (!machine.isBroker) continue;
      for (const partition of node.broker.topics.all()) {
        if (this.#mayDiffer(partition.topic)) continue;
        const key = `${partition.topicId} ${partition.topic}-${partition.index}`;
        this.#compareLog(machine.name, key, logOf(partition), partition.highWatermark, compared);
      }
    }
  }

  #compareLog(name: string, key: string, log: PartitionLog, end: Offset, compared: Map<string, Offset>): void {
    const committed = this.#committed.get(key) ?? new Map<Offset, string>();
    this.#committed.set(key, committed);
    let offset = Math.max(compared.get(key) ?? 0, log.startOffset);
    while (offset < end) {
      const read = log.read({ offset, maxBytes: READ_BYTES, minOneMessage: true, limitOffset: end });
      if (read.error !== 0 || read.chunks.length === 0) {
        throw new Violation("an acknowledged record is lost", `${name} ${key}: nothing at ${offset}, below ${end}`);
      }
      for (const chunk of read.chunks) {
        for (const batch = new BatchCursor(chunk); batch.next(); ) {
          const text = `${batch.lastOffset} ${batch.leaderEpoch} ${batch.crc} ${batch.size}`;
          const known = committed.get(batch.baseOffset) ?? text;
          if (known !== text) {
            const detail = `${name} ${key} at ${batch.baseOffset}: ${text}, elsewhere ${known}`;
            throw new Violation("an offset changed its content", detail);
          }
          committed.set(batch.baseOffset, text);
          this.comparisons++;
        }
      }
      offset = read.nextOffset;
      read.release?.();
    }
    compared.set(key, offset);
  }
}
