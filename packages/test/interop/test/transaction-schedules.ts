/** Random schedules of two transactional producers, which may share a transactional id. */
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { ApiKey } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { Stage } from "./group-schedules.ts";
import { type Answer, type Dice, type Divergence, type Ending, Play, play, type Step } from "./schedules.ts";

export const TXN_TOPIC = "transactional";
/** Number of partitions of `TXN_TOPIC`. Each schedule uses its own. */
export const TXN_PARTITIONS = 300;

/** Error codes while a transaction is being completed, or a coordinator is being loaded or located. */
const RETRIABLE: ReadonlySet<number> = new Set([14, 15, 16, 19, 51]);
/** Pause after the end of a transaction: Kafka tells that it is complete before all of its brokers' parts know. */
const AFTER_END_MS = 20;
const TOOLS = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
const WRITTEN_AT = Date.now() - 60_000;

interface Producer {
  id: bigint;
  epoch: number;
  sequence: number;
}

interface State {
  readonly producers: Map<number, Producer>;
  readonly topicId: string;
}

const UNKNOWN: Producer = { id: -1n, epoch: -1, sequence: 0 };

class Story {
  readonly #dice: Dice;
  readonly #partition: number;
  readonly #ids: readonly string[];
  readonly #plays: readonly Play<State>[];
  /** Transactional id of each producer. */
  readonly #uses: readonly string[];

  constructor(dice: Dice, seed: number, partition: number, plays: readonly Play<State>[]) {
    this.#dice = dice;
    this.#partition = partition;
    this.#plays = plays;
    this.#ids = [`txn-${seed}`, `txn-${seed}-other`];
    this.#uses = [this.#ids[0], dice.chance(0.6) ? this.#ids[0] : this.#ids[1]];
  }

  next(number: number): Step<State> {
    const roll = number === 0 ? 0 : this.#dice.next();
    const actor = this.#dice.int(0, 1);
    if (roll < 0.16) return this.#init(actor, number);
    if (roll < 0.34) return this.#addPartitions(actor);
    if (roll < 0.52) return this.#produce(actor);
    if (roll < 0.6) return this.#addOffsets(actor);
    if (roll < 0.68) return this.#commitOffsets(actor);
    if (roll < 0.86) return this.#end(actor);
    if (roll < 0.91) return this.#describe(actor);
    if (roll < 0.95) return this.#fetchOffsets();
    return this.#ends();
  }

  /** Producer id, epoch and transactional id to claim: usually the right ones. */
  #claim(actor: number): (state: State) => Producer & { readonly transactionalId: string } {
    const [which, epoch, id] = [this.#dice.next(), this.#dice.next(), this.#dice.next()];
    const transactionalId = which < 0.04 ? this.#ids[1] : which < 0.06 ? "" : this.#uses[actor];
    return state => {
      const known = state.producers.get(actor) ?? UNKNOWN;
      return {
        transactionalId,
        id: id < 0.04 ? 999_999_999n : known.id,
        epoch: known.epoch + (epoch < 0.05 ? 1 : epoch < 0.1 ? -1 : 0),
        sequence: known.sequence,
      };
    };
  }

  #told(what: string, version: number, claim: (state: State) => Producer & { readonly transactionalId: string }) {
    const { transactionalId, id, epoch, sequence } = claim(this.#plays[0].state);
    return `${what}, version ${version}, as ${transactionalId} ${id} ${epoch} ${sequence}`;
  }

  /** No transaction is being completed: markers are written after the answer. */
  #completion(): Ending {
    return {
      key: ApiKey.DescribeTransactions,
      version: 0,
      body: { transactionalIds: this.#ids },
      hasEnded: answer => !JSON.stringify(answer, plain).includes('"transactionState":"Prepare'),
    };
  }

  #init(actor: number, number: number): Step<State> {
    const dice = this.#dice;
    const version = dice.int(0, 5);
    const isKnown = version >= 3 && dice.chance(0.5);
    const claim = this.#claim(actor);
    const transactionTimeoutMs = dice.chance(0.05) ? dice.of([0, -1, 2_000_000_000]) : 60_000;
    return {
      told: this.#told(`actor ${actor} begins${isKnown ? " as it was" : ""} ${transactionTimeoutMs}`, version, claim),
      key: ApiKey.InitProducerId,
      pauseMs: AFTER_END_MS,
      ending: this.#completion(),
      version,
      body: state => {
        const { transactionalId, id, epoch } = claim(state);
        const known = isKnown ? { producerId: id, producerEpoch: epoch } : {};
        return { transactionalId, transactionTimeoutMs, ...known };
      },
      learn: (state, answer) => this.#learn(state, actor, { answer, number }),
    };
  }

  #learn(state: State, actor: number, { answer, number }: { answer: Answer; number: number }): void {
    const id = answer.producerId as bigint;
    if (answer.errorCode !== 0 || id < 0n) return;
    const one = this.#plays.find(each => each.state === state) as Play<State>;
    one.name(id, `(producer of step ${number})`);
    const epoch = Number(answer.producerEpoch);
    state.producers.set(actor, { id, epoch, sequence: 0 });
  }

  #addPartitions(actor: number): Step<State> {
    const version = this.#dice.int(0, 3);
    const claim = this.#claim(actor);
    const isAbsent = this.#dice.chance(0.05);
    const isBeyond = this.#dice.chance(0.05);
    return {
      told: this.#told(`actor ${actor} adds ${isAbsent ? "absent " : ""}${isBeyond ? "beyond" : ""}`, version, claim),
      key: ApiKey.AddPartitionsToTxn,
      version,
      body: state => {
        const { transactionalId, id, epoch } = claim(state);
        const partitions = [this.#partition, ...(isBeyond ? [100_000] : [])];
        return {
          v3AndBelowTransactionalId: transactionalId,
          v3AndBelowProducerId: id,
          v3AndBelowProducerEpoch: epoch,
          v3AndBelowTopics: [
            { name: TXN_TOPIC, partitions },
            ...(isAbsent ? [{ name: "absent", partitions: [0] }] : []),
          ],
        };
      },
    };
  }

  #produce(actor: number): Step<State> {
    const dice = this.#dice;
    const version = dice.int(3, 12);
    const claim = this.#claim(actor);
    const shift = dice.chance(0.08) ? dice.of([-1, 1, 5]) : 0;
    return {
      told: this.#told(`actor ${actor} produces${shift === 0 ? "" : ` ${shift} off`}`, version, claim),
      key: ApiKey.Produce,
      version,
      body: state => {
        const { transactionalId, id, epoch, sequence } = claim(state);
        const baseSequence = Math.max(0, sequence + shift);
        const of = { producerId: id, producerEpoch: epoch, baseSequence, transactional: true };
        const records = [buildBatch([{ timestamp: WRITTEN_AT, key: null, value: Uint8Array.of(1) }], of, TOOLS)];
        const topicData = [{ name: TXN_TOPIC, partitionData: [{ index: this.#partition, records }] }];
        return { transactionalId, acks: -1, timeoutMs: 5000, topicData };
      },
      learn: (state, answer) => {
        const known = state.producers.get(actor);
        if (known !== undefined && shift === 0 && JSON.stringify(answer, plain).includes('"errorCode":0'))
          known.sequence++;
      },
    };
  }

  #addOffsets(actor: number): Step<State> {
    const version = this.#dice.int(0, 4);
    const claim = this.#claim(actor);
    return {
      told: this.#told(`actor ${actor} adds offsets`, version, claim),
      key: ApiKey.AddOffsetsToTxn,
      version,
      body: state => {
        const { transactionalId, id, epoch } = claim(state);
        return { transactionalId, producerId: id, producerEpoch: epoch, groupId: this.#ids[0] };
      },
    };
  }

  #commitOffsets(actor: number): Step<State> {
    const version = this.#dice.int(0, 5);
    const claim = this.#claim(actor);
    const committedOffset = this.#dice.int(0, 99);
    const generation = version >= 3 && this.#dice.chance(0.1) ? { generationIdOrMemberEpoch: 3, memberId: "m" } : {};
    const partitions = [{ partitionIndex: this.#partition, committedOffset, committedMetadata: "" }];
    return {
      told: this.#told(
        `actor ${actor} commits offset ${committedOffset} ${JSON.stringify(generation)}`,
        version,
        claim,
      ),
      key: ApiKey.TxnOffsetCommit,
      version,
      body: state => {
        const { transactionalId, id, epoch } = claim(state);
        const topics = [{ name: TXN_TOPIC, partitions }];
        return { transactionalId, groupId: this.#ids[0], producerId: id, producerEpoch: epoch, ...generation, topics };
      },
    };
  }

  #end(actor: number): Step<State> {
    const version = this.#dice.int(0, 5);
    const claim = this.#claim(actor);
    const committed = this.#dice.chance(0.6);
    return {
      told: this.#told(`actor ${actor} ${committed ? "commits" : "aborts"}`, version, claim),
      key: ApiKey.EndTxn,
      pauseMs: AFTER_END_MS,
      ending: this.#completion(),
      version,
      body: state => {
        const { transactionalId, id, epoch } = claim(state);
        return { transactionalId, producerId: id, producerEpoch: epoch, committed };
      },
      learn: (state, answer) => {
        const known = state.producers.get(actor);
        if (version < 5 || answer.errorCode !== 0 || known === undefined) return;
        const epoch = Number(answer.producerEpoch);
        if (epoch !== known.epoch) known.sequence = 0;
        known.epoch = epoch;
      },
    };
  }

  #describe(actor: number): Step<State> {
    return {
      told: `${this.#uses[actor]} is described`,
      key: ApiKey.DescribeTransactions,
      version: 0,
      isRead: true,
      body: () => ({ transactionalIds: [this.#uses[actor]] }),
    };
  }

  #fetchOffsets(): Step<State> {
    const topics = [{ name: TXN_TOPIC, partitionIndexes: [this.#partition] }];
    return {
      told: "offsets are fetched",
      key: ApiKey.OffsetFetch,
      version: 7,
      isRead: true,
      body: () => ({ groupId: this.#ids[0], topics, requireStable: false }),
    };
  }

  #ends(): Step<State> {
    const partitions = [{ partitionIndex: this.#partition, timestamp: -1 }];
    const isolationLevel = this.#dice.int(0, 1);
    return {
      told: `the end of the log, isolation ${isolationLevel}`,
      key: ApiKey.ListOffsets,
      version: 5,
      isRead: true,
      body: () => ({ replicaId: -1, isolationLevel, topics: [{ name: TXN_TOPIC, partitions }] }),
    };
  }
}

function plain(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

export function playTransactions(
  dice: Dice,
  seed: number,
  at: { stages: readonly Stage[]; partition: number },
): Promise<Divergence | number> {
  const [kafka, samsa] = at.stages.map(
    ({ server, topicId }) => new Play<State>(server, { producers: new Map(), topicId }, { retriable: RETRIABLE }),
  );
  const story = new Story(dice, seed, at.partition, [kafka, samsa]);
  return play({ seed, plays: [kafka, samsa], length: dice.int(8, 24), next: number => story.next(number) });
}
