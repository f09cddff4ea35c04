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
export type TxnState = (typeof TXN_STATES)[number];

/** Partitions by topic. */
export type TxnPartitions = ReadonlyMap<string, ReadonlySet<number>>;

export const NO_PRODUCER_ID = -1n;
export const NO_EPOCH = -1;
const MAX_EPOCH = 32767;
/** The last that a client gets: the one above is kept for the coordinator, so that it can always fence a producer. */
export const LAST_EPOCH = MAX_EPOCH - 1;
const NO_PARTITIONS: TxnPartitions = new Map();

/** The first transaction.version in which every end of a transaction gives the producer a new epoch (KIP-890). */
export const EPOCH_BUMP_VERSION = 2;

/** What is known of one transactional id (`TransactionMetadata`). Never changed: a step makes another one. */
export interface TxnImage {
  readonly producerId: bigint;
  /** Before the step that made this image. */
  readonly previousProducerId: bigint;
  /** Takes over with the completion of the transaction, when the epochs of `producerId` are used up; else -1. */
  readonly nextProducerId: bigint;
  readonly epoch: number;
  /** The one before, which a repeated request may still carry; -1 when none may. Not in records. */
  readonly lastEpoch: number;
  readonly timeoutMs: number;
  readonly state: TxnState;
  readonly partitions: TxnPartitions;
  /** -1 when no transaction was begun with this epoch. */
  readonly startTimestamp: number;
  readonly updateTimestamp: number;
  /** The transaction.version that the client knew which made the last step. */
  readonly clientVersion: number;
}

/** What a producer says of itself. */
export interface ProducerClaim {
  readonly id: bigint;
  readonly epoch: number;
}

/** An id that nobody has used: its first step gives it epoch 0. */
export function freshImage(producerId: bigint, timeoutMs: number, wall: number): TxnImage {
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

export function isExhausted(epoch: number): boolean {
  return epoch >= LAST_EPOCH;
}

/** Whether a producer that wants to go on may be the one that had the id last (KIP-360). */
export function mayGoOn(image: TxnImage, { id, epoch }: ProducerClaim): boolean {
  if (image.epoch === NO_EPOCH || id === image.producerId) return true;
  return id === image.previousProducerId && isExhausted(epoch);
}

function step(image: TxnImage, change: Partial<TxnImage> & { readonly state: TxnState }): TxnImage {
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

/** After InitProducerId, with the next epoch, or the same one when the request repeats; undefined: it is fenced. */
export function withNextEpoch(image: TxnImage, begin: Begin, expectedEpoch: number | undefined): TxnImage | undefined {
  const { epoch, lastEpoch } = image;
  if (expectedEpoch === undefined) return begun(image, begin, { epoch: epoch + 1, lastEpoch: NO_EPOCH });
  if (epoch === NO_EPOCH || expectedEpoch === epoch) return begun(image, begin, { epoch: epoch + 1, lastEpoch: epoch });
  return expectedEpoch === lastEpoch ? begun(image, begin, {}) : undefined;
}

/** After InitProducerId, when the epochs of the producer id are used up. */
export function withNewProducer(image: TxnImage, begin: Begin, producerId: bigint, isExpected: boolean): TxnImage {
  return begun(image, begin, { producerId, epoch: 0, lastEpoch: isExpected ? image.epoch : NO_EPOCH });
}

/** The epoch that shuts out whoever has the current one. */
export function fencingEpoch({ epoch }: TxnImage, failedBefore: boolean): number {
  // What a fence that failed has taken was given to nobody.
  return failedBefore || epoch === MAX_EPOCH ? epoch : epoch + 1;
}

export function hasAll(partitions: TxnPartitions, wanted: TxnPartitions): boolean {
  return [...wanted].every(([topic, indexes]) => {
    const there = partitions.get(topic);
    return [...indexes].every(index => there?.has(index) === true);
  });
}

/** After AddPartitionsToTxn. */
export function withPartitions(image: TxnImage, added: TxnPartitions, wall: number, clientVersion: number): TxnImage {
  const partitions = new Map(image.partitions);
  for (const [topic, indexes] of added) partitions.set(topic, new Set([...(partitions.get(topic) ?? []), ...indexes]));
  const startTimestamp = image.state === "Ongoing" ? image.startTimestamp : wall;
  return step(image, { state: "Ongoing", partitions, startTimestamp, updateTimestamp: wall, clientVersion });
}

export interface Ending {
  readonly commit: boolean;
  readonly clientVersion: number;
  /** Only when the epochs are used up. */
  readonly nextProducerId: bigint;
  readonly wall: number;
}

/** After EndTxn: the outcome is decided. */
export function prepared(image: TxnImage, { commit, clientVersion, nextProducerId, wall }: Ending): TxnImage {
  const bumps = clientVersion >= EPOCH_BUMP_VERSION;
  const stuck = image.epoch === MAX_EPOCH && !commit;
  return step(image, {
    state: commit ? "PrepareCommit" : "PrepareAbort",
    epoch: bumps && !stuck ? image.epoch + 1 : image.epoch,
    lastEpoch: bumps ? image.epoch : image.lastEpoch,
    // An abort without partitions begins with its end.
    startTimestamp: image.state === "Ongoing" ? image.startTimestamp : wall,
    nextProducerId,
    updateTimestamp: wall,
    clientVersion,
  });
}

/** After all partitions have their markers. */
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
