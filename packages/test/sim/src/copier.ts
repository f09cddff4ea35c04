import { utf8, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { CALLS } from "./calls.ts";
import type { Client } from "./client.ts";
import type { Prng } from "./prng.ts";
import { Violation } from "./rules.ts";
import { type Actor, pick, type Stage } from "./stage.ts";
import { COPY_PARTITIONS, COPY_TOPIC, PARTS } from "./txn-ledger.ts";

const { code: BUSY } = Errors.CONCURRENT_TRANSACTIONS;
/** How long a transaction may be open. */
const TIMEOUT_MS = 1500;
/** Tries while the transaction before is being completed. */
const TRIES = 8;

export interface CopierOptions {
  /** Several processes may have the same: all but the last to begin are shut out. */
  readonly transactionalId: string;
  /** Lets the broker add partitions, and takes a new epoch with each end (KIP-890). */
  readonly modern: boolean;
}

interface Session {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly sequences: Map<number, number>;
}

/** The offset that a group has for certain; undefined when it cannot be told now. -1: none. */
export async function copiedTo(client: Client, groupId: string): Promise<number | undefined> {
  const topics = [{ name: COPY_TOPIC, partitionIndexes: [0] }];
  const answer = await client.ask(CALLS.offsetFetch, { groupId, topics, requireStable: true });
  const [found] = answer?.topics[0]?.partitions ?? [];
  return answer?.errorCode === 0 && found?.errorCode === 0 ? Number(found.committedOffset) : undefined;
}

/** Begins to be the producer of an id: whoever was it before is shut out. undefined: not now. */
export async function takeOver(client: Client, transactionalId: string) {
  const found = await client.ask(CALLS.findCoordinator, { key: transactionalId, keyType: 1 });
  if (found?.errorCode !== 0) return undefined;
  const answer = await client.ask(CALLS.initProducerId, { transactionalId, transactionTimeoutMs: TIMEOUT_MS });
  return answer?.errorCode === 0 ? answer : undefined;
}

/**
 * Moves a group's offset on and writes what it has passed into all partitions, in one transaction at a time; on any doubt
 * it begins anew with what is committed.
 */
export class Copier implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #id: string;
  readonly #modern: boolean;
  #session: Session | undefined;
  #position: number | undefined;
  /** Takes no chances: neither aborts nor dies. */
  steady = false;
  /** Dies in its next transaction, for good. */
  doomed = false;
  /** Has left a transaction open and does not come back. */
  gone = false;

  constructor(stage: Stage, client: Client, rng: Prng, { transactionalId, modern }: CopierOptions) {
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

  /** Whatever is open is left to itself. */
  #reset(): void {
    this.#session = undefined;
    this.#position = undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => void this.client.env.timers.after(ms, resolve));
  }

  /** Asks again while the answer is that the transaction before is not complete. */
  async #patiently(ask: () => Promise<number | undefined>): Promise<number | undefined> {
    for (let tries = 0; ; tries++) {
      const code = await ask();
      if (code !== BUSY || tries === TRIES) return code;
      await this.#pause(20);
    }
  }

  /** False on any error. One that dies stops somewhere, but not before it has begun. */
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
      // A transaction that pauses is open all the same.
      if (this.#rng.chance(0.05)) await this.#pause(this.#rng.int(200, 500));
      if ((await this.#patiently(step)) !== 0) return false;
    }
    return true;
  }

  async #produce(session: Session, partition: number, value: string): Promise<number | undefined> {
    const { producerId, producerEpoch, sequences } = session;
    const { env } = this.client;
    const baseSequence = sequences.get(partition) ?? 0;
    // A key of its own: compaction takes what was aborted, and nothing else.
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
      // Whether it has happened can be asked with the same request.
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

export interface CopierPlan extends CopierOptions {
  readonly name: string;
}

/** Draws one to three copiers, of which some have the same transactional id. */
export function copierPlans(rng: Prng): CopierPlan[] {
  const ids = ["copy0", "copy1"];
  return Array.from({ length: rng.int(1, 3) }, (_, i) => ({
    name: `copier${i}`,
    transactionalId: pick(rng, ids) ?? ids[0],
    modern: rng.chance(0.7),
  }));
}
