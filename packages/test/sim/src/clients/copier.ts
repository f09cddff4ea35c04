import { utf8, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import type { Actor, Stage } from "../stage/stage.ts";
import { COPY_PARTITIONS, COPY_TOPIC, PARTS } from "../ledgers/txn-ledger.ts";

const { code: BUSY } = Errors.CONCURRENT_TRANSACTIONS;
/** Transaction timeout. */
const TIMEOUT_MS = 1500;
/** Attempts while the previous transaction is being completed. */
const TRIES = 8;

/** Options of `Copier`. */
export interface CopierOptions {
  /** Copiers may share an id: all but the last one to initialize are fenced. */
  readonly transactionalId: string;
  /** Uses transactions version 2: the broker adds partitions, and each end bumps the epoch (KIP-890). */
  readonly modern: boolean;
}

interface Session {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly sequences: Map<number, number>;
}

/** Stable committed offset of a group, -1 without one; undefined if it is unknown now. */
export async function copiedTo(client: Client, groupId: string): Promise<number | undefined> {
  const topics = [{ name: COPY_TOPIC, partitionIndexes: [0] }];
  const answer = await client.ask(CALLS.offsetFetch, { groupId, topics, requireStable: true });
  const [found] = answer?.topics[0]?.partitions ?? [];
  return answer?.errorCode === 0 && found?.errorCode === 0 ? Number(found.committedOffset) : undefined;
}

/** Initializes a producer id for a transactional id, which fences the previous producer; undefined if that failed. */
export async function takeOver(client: Client, transactionalId: string) {
  const found = await client.ask(CALLS.findCoordinator, { key: transactionalId, keyType: 1 });
  if (found?.errorCode !== 0) return undefined;
  const answer = await client.ask(CALLS.initProducerId, { transactionalId, transactionTimeoutMs: TIMEOUT_MS });
  return answer?.errorCode === 0 ? answer : undefined;
}

/**
 * Advances a group's offset and writes the passed numbers to all partitions, one transaction at a time. After an error
 * or a missing answer it starts again from the committed offset.
 */
export class Copier implements Actor {
  readonly client: Client;
  readonly #stage: Pick<Stage, "txns" | "note">;
  readonly #rng: Prng;
  readonly #id: string;
  readonly #modern: boolean;
  #session: Session | undefined;
  #position: number | undefined;
  /** Neither aborts nor dies. */
  steady = false;
  /** Dies for good in its next transaction. */
  doomed = false;
  /** Died for good with an open transaction. */
  gone = false;

  constructor(
    stage: Pick<Stage, "txns" | "note">,
    client: Client,
    rng: Prng,
    { transactionalId, modern }: CopierOptions,
  ) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#id = transactionalId;
    this.#modern = modern;
  }

  async step(): Promise<void> {
    if (this.gone) return;
    this.#session ??= await this.#begin();
    this.#position ??= this.#session && (await copiedTo(this.client, this.#id));
    const [session, position] = [this.#session, this.#position];
    if (session === undefined || position === undefined) return;
    const from = Math.max(0, position);
    const to = from + this.#rng.int(1, 3);
    const name = this.#stage.txns.begin(this.#id, from, to);
    const isDead = this.doomed || (!this.steady && this.#rng.chance(0.1));
    const written = await this.#write(session, name, to, isDead);
    this.gone = written && this.doomed;
    if (!written || isDead) return this.#reset();
    const commit = this.steady || this.#rng.chance(0.75);
    await this.#end(session, name, commit);
    if (this.#position !== undefined && commit) this.#position = to;
  }

  async #begin(): Promise<Session | undefined> {
    const answer = await takeOver(this.client, this.#id);
    if (answer === undefined) return undefined;
    const { producerId, producerEpoch } = answer;
    return { producerId, producerEpoch, sequences: new Map() };
  }

  /** Forgets the session; an open transaction is left to time out or be fenced. */
  #reset(): void {
    this.#session = undefined;
    this.#position = undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => void this.client.env.timers.after(ms, resolve));
  }

  /** Retries CONCURRENT_TRANSACTIONS, the error while the previous transaction is being completed. */
  async #patiently(ask: () => Promise<number | undefined>): Promise<number | undefined> {
    for (let tries = 0; ; tries++) {
      const code = await ask();
      if (code !== BUSY || tries === TRIES) return code;
      await this.#pause(20);
    }
  }

  /** Writes a transaction; false on any error. With `dies` it stops part way, but after its first step. */
  async #write(session: Session, name: string, to: number, dies: boolean): Promise<boolean> {
    const { producerId, producerEpoch } = session;
    const claim = { producerId, producerEpoch };
    if (!this.#modern) {
      const body = {
        v3AndBelowTransactionalId: this.#id,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: [{ name: COPY_TOPIC, partitions: [...COPY_PARTITIONS] }],
      };
      const added = await this.#patiently(async () => {
        const answer = await this.client.ask(CALLS.addPartitionsToTxn, body);
        return answer?.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode;
      });
      if (added !== 0) return false;
    }
    const last = dies ? this.#rng.int(0, 3) : Infinity;
    const steps: (() => Promise<number | undefined>)[] = PARTS.flatMap(part =>
      COPY_PARTITIONS.map(partition => () => this.#produce(session, partition, `${name}/${part}`)),
    );
    const offsets = async (): Promise<number | undefined> => {
      const group = { transactionalId: this.#id, ...claim, groupId: this.#id };
      if (!this.#modern) {
        const added = await this.client.ask(CALLS.addOffsetsToTxn, group);
        if (added?.errorCode !== 0) return added?.errorCode;
      }
      const partitions = [{ partitionIndex: 0, committedOffset: to, committedMetadata: null }];
      const topics = [{ name: COPY_TOPIC, topicId: ZERO_UUID, partitions }];
      const call = this.#modern ? CALLS.txnOffsetCommit : CALLS.txnOffsetCommitOld;
      const answer = await this.client.ask(call, { ...group, topics });
      return answer?.topics[0]?.partitions[0]?.errorCode;
    };
    steps.splice(this.#rng.int(0, steps.length), 0, offsets);
    for (const [i, step] of steps.entries()) {
      if (i > last) break;
      // A paused transaction stays open.
      if (this.#rng.chance(0.05)) await this.#pause(this.#rng.int(200, 500));
      if ((await this.#patiently(step)) !== 0) return false;
    }
    return true;
  }

  async #produce(session: Session, partition: number, value: string): Promise<number | undefined> {
    const { producerId, producerEpoch, sequences } = session;
    const { env } = this.client;
    const baseSequence = sequences.get(partition) ?? 0;
    // The key is unique, so that compaction removes aborted records only.
    const records = [{ timestamp: env.clock.now(), key: utf8(value), value: utf8(value) }];
    const batch = buildBatch(
      records,
      { producerId, producerEpoch, baseSequence, transactional: true },
      { crc32c: env.crypto.crc32c, codecs: env.codecs },
    );
    const topicData = [
      { name: COPY_TOPIC, topicId: ZERO_UUID, partitionData: [{ index: partition, records: [batch] }] },
    ];
    const call = this.#modern ? CALLS.produceByName : CALLS.produceOld;
    const answer = await this.client.ask(call, { transactionalId: this.#id, acks: -1, timeoutMs: 300, topicData });
    const code = answer?.responses[0]?.partitionResponses[0]?.errorCode;
    if (code === 0) sequences.set(partition, baseSequence + 1);
    return code;
  }

  async #end({ producerId, producerEpoch }: Session, name: string, committed: boolean): Promise<void> {
    const body = { transactionalId: this.#id, producerId, producerEpoch, committed };
    const call = this.#modern ? CALLS.endTxn : CALLS.endTxnOld;
    for (let tries = 0; ; tries++) {
      const answer = await this.client.ask(call, body);
      const isBusy = answer?.errorCode === BUSY;
      if (answer?.errorCode === 0) {
        this.#stage.txns.ended(name, committed);
        this.#stage.note(`ended ${name} ${committed}`);
        if (this.#modern) this.#renew(answer, { producerId, producerEpoch });
        return;
      }
      // Without an answer, the same request may be repeated to learn the outcome.
      if ((answer !== undefined && !isBusy) || tries === TRIES || !this.#rng.chance(0.8)) return this.#reset();
      if (isBusy) await this.#pause(20);
    }
  }

  #renew(answer: { producerId: bigint; producerEpoch: number }, before: Omit<Session, "sequences">): void {
    const { producerId, producerEpoch } = answer;
    if (producerId === before.producerId && producerEpoch <= before.producerEpoch) {
      const detail = `${this.client.name} ended a transaction in epoch ${before.producerEpoch} and has ${producerEpoch}`;
      throw new Violation("an epoch was given twice", detail);
    }
    this.#session = { producerId, producerEpoch, sequences: new Map() };
  }
}

/** Options of one drawn copier, with its client name. */
export interface CopierPlan extends CopierOptions {
  readonly name: string;
}

/** Draws one to three copiers, some with the same transactional id. */
export function copierPlans(rng: Prng): CopierPlan[] {
  const ids = ["copy0", "copy1"];
  return Array.from({ length: rng.int(1, 3) }, (_, i) => ({
    name: `copier${i}`,
    transactionalId: rng.oneOf(ids),
    modern: rng.chance(0.7),
  }));
}
