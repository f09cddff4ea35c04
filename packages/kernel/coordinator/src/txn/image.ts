import {
  checkTransition,
  type PartitionIndex,
  type PreviousStates,
  type ProducerEpoch,
  type ProducerId,
} from "@samsa/base";

/** States of a transactional id, in the order of their numbers in records (`TransactionState`). */
export const TXN_STATES = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
  "Dead",
  "PrepareEpochFence",
] as const;
/** State of a transactional id. */
export type TxnState = (typeof TXN_STATES)[number];
/** State of an image, and of its record; the others exist only while a transition is being written. */
export type WrittenState = Exclude<TxnState, "Dead" | "PrepareEpochFence">;

/** Valid previous states of a transactional id (`TransactionState.VALID_PREVIOUS_STATES`). */
export const PREVIOUS_TXN_STATES: PreviousStates<TxnState> = {
  Empty: ["Empty", "CompleteCommit", "CompleteAbort"],
  Ongoing: ["Ongoing", "Empty", "CompleteCommit", "CompleteAbort"],
  PrepareCommit: ["Ongoing"],
  // From transaction.version 2 on, a client aborts when it does not know whether a transaction has begun.
  PrepareAbort: ["Ongoing", "PrepareEpochFence", "Empty", "CompleteCommit", "CompleteAbort"],
  CompleteCommit: ["PrepareCommit"],
  CompleteAbort: ["PrepareAbort"],
  Dead: ["Empty", "CompleteCommit", "CompleteAbort"],
  PrepareEpochFence: ["Ongoing"],
};

/** Partitions by topic. */
export type TxnPartitions = ReadonlyMap<string, ReadonlySet<PartitionIndex>>;

export const NO_PRODUCER_ID: ProducerId = -1n;
export const NO_EPOCH: ProducerEpoch = -1;
const MAX_EPOCH: ProducerEpoch = 32767;
/** Highest epoch that a client gets; `MAX_EPOCH` is reserved, so that the coordinator can always fence a producer. */
export const LAST_EPOCH: ProducerEpoch = MAX_EPOCH - 1;
const NO_PARTITIONS: TxnPartitions = new Map();

/** The first transaction.version in which every end of a transaction gives the producer a new epoch (KIP-890). */
export const EPOCH_BUMP_VERSION = 2;

/** State of one transactional id (`TransactionMetadata`). Immutable: each transition makes a new image. */
export interface TxnImage {
  readonly producerId: ProducerId;
  /** Producer id before the transition that made this image. */
  readonly previousProducerId: ProducerId;
  /** Producer id that takes over at completion, if the epochs of `producerId` are used up; else -1. */
  readonly nextProducerId: ProducerId;
  readonly epoch: ProducerEpoch;
  /** Previous epoch, which a retried request may still carry; -1: none. Not in records. */
  readonly lastEpoch: ProducerEpoch;
  readonly timeoutMs: number;
  readonly state: WrittenState;
  readonly partitions: TxnPartitions;
  /** -1 if no transaction has begun with this epoch. */
  readonly startTimestamp: number;
  readonly updateTimestamp: number;
  /** The transaction.version of the client that made the last transition. */
  readonly clientVersion: number;
}

/** Producer id and epoch that a client sends. */
export interface ProducerClaim {
  readonly id: ProducerId;
  readonly epoch: ProducerEpoch;
}

/** Image of a new transactional id; its first transition gives it epoch 0. */
export function freshImage(producerId: ProducerId, timeoutMs: number, wall: number): TxnImage {
  return {
    producerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    epoch: NO_EPOCH,
    lastEpoch: NO_EPOCH,
    timeoutMs,
    state: "Empty",
    partitions: NO_PARTITIONS,
    startTimestamp: -1,
    updateTimestamp: wall,
    clientVersion: 0,
  };
}

export function isExhausted(epoch: ProducerEpoch): boolean {
  return epoch >= LAST_EPOCH;
}

/** True if a client may continue this producer id: the current one, or the previous one at its last epoch (KIP-360). */
export function mayGoOn(image: TxnImage, { id, epoch }: ProducerClaim): boolean {
  if (image.epoch === NO_EPOCH || id === image.producerId) return true;
  return id === image.previousProducerId && isExhausted(epoch);
}

function step(image: TxnImage, change: Partial<TxnImage> & { readonly state: WrittenState }): TxnImage {
  checkTransition(PREVIOUS_TXN_STATES, image.state, change.state);
  return { ...image, previousProducerId: image.producerId, ...change };
}

interface Begin {
  readonly timeoutMs: number;
  readonly wall: number;
}

function begun(image: TxnImage, { timeoutMs, wall }: Begin, change: Partial<TxnImage>): TxnImage {
  return step(image, {
    timeoutMs,
    updateTimestamp: wall,
    startTimestamp: -1,
    partitions: NO_PARTITIONS,
    state: "Empty",
    ...change,
  });
}

/** Image after InitProducerId, with the next epoch, or the same one for a retry; undefined: the client is fenced. */
export function withNextEpoch(
  image: TxnImage,
  begin: Begin,
  expectedEpoch: ProducerEpoch | undefined,
): TxnImage | undefined {
  const { epoch, lastEpoch } = image;
  if (expectedEpoch === undefined) return begun(image, begin, { epoch: epoch + 1, lastEpoch: NO_EPOCH });
  if (epoch === NO_EPOCH || expectedEpoch === epoch) return begun(image, begin, { epoch: epoch + 1, lastEpoch: epoch });
  return expectedEpoch === lastEpoch ? begun(image, begin, {}) : undefined;
}

/** Image after InitProducerId, if the epochs of the producer id are used up. */
export function withNewProducer(image: TxnImage, begin: Begin, producerId: ProducerId, isExpected: boolean): TxnImage {
  return begun(image, begin, { producerId, epoch: 0, lastEpoch: isExpected ? image.epoch : NO_EPOCH });
}

/** Epoch that fences the producer with the current epoch. */
export function fencingEpoch({ epoch }: TxnImage, failedBefore: boolean): ProducerEpoch {
  // A failed fence has bumped the epoch, and no client has got it.
  return failedBefore || epoch === MAX_EPOCH ? epoch : epoch + 1;
}

export function hasAll(partitions: TxnPartitions, wanted: TxnPartitions): boolean {
  return [...wanted].every(([topic, indexes]) => {
    const there = partitions.get(topic);
    return [...indexes].every(index => there?.has(index) === true);
  });
}

/** Image after AddPartitionsToTxn. */
export function withPartitions(image: TxnImage, added: TxnPartitions, wall: number, clientVersion: number): TxnImage {
  const partitions = new Map(image.partitions);
  for (const [topic, indexes] of added) partitions.set(topic, new Set([...(partitions.get(topic) ?? []), ...indexes]));
  const startTimestamp = image.state === "Ongoing" ? image.startTimestamp : wall;
  return step(image, { state: "Ongoing", partitions, startTimestamp, updateTimestamp: wall, clientVersion });
}

export interface Ending {
  readonly commit: boolean;
  readonly clientVersion: number;
  /** -1 unless the epochs are used up. */
  readonly nextProducerId: ProducerId;
  readonly wall: number;
}

/** Image after EndTxn: the outcome is decided, the markers are not written. */
export function prepared(image: TxnImage, { commit, clientVersion, nextProducerId, wall }: Ending): TxnImage {
  const bumps = clientVersion >= EPOCH_BUMP_VERSION;
  const stuck = image.epoch === MAX_EPOCH && !commit;
  return step(image, {
    state: commit ? "PrepareCommit" : "PrepareAbort",
    epoch: bumps && !stuck ? image.epoch + 1 : image.epoch,
    lastEpoch: bumps ? image.epoch : image.lastEpoch,
    // An abort without a begun transaction begins and ends at once.
    startTimestamp: image.state === "Ongoing" ? image.startTimestamp : wall,
    nextProducerId,
    updateTimestamp: wall,
    clientVersion,
  });
}

/** Image after all partitions have their markers. */
export function completed(image: TxnImage, wall: number): TxnImage {
  const { nextProducerId, clientVersion } = image;
  const rotates = clientVersion >= EPOCH_BUMP_VERSION && nextProducerId !== NO_PRODUCER_ID;
  return step(image, {
    state: image.state === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort",
    ...(rotates ? { producerId: nextProducerId, epoch: 0 } : {}),
    nextProducerId: NO_PRODUCER_ID,
    partitions: NO_PARTITIONS,
    updateTimestamp: wall,
  });
}
