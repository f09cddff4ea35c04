import type { ProducerEpoch, ProducerId } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import type { ResponseOf } from "@samsa/wire";
import type { Stage } from "./stage.ts";
import { batchOf, connectAs } from "./wire.ts";

/** Type of the key of FindCoordinator. */
const TRANSACTION = 1;
/** Attempts to reach the coordinator or a leader, and the pause between them in ms. */
const ATTEMPTS = 200;
const AGAIN_MS = 50;
/** Errors of a coordinator or leader that moves or loads. */
const PASSING: readonly number[] = [3, 5, 6, 14, 15, 16, 51];

/** State of a producer: a zombie keeps an old one. */
export interface ProducerState {
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
}

/** Transactional producer of our own, whose every request has the producer id and the epoch that it is told to have. */
export class TxnClient {
  readonly transactionalId: string;
  readonly #stage: Stage;
  readonly #timeoutMs: number;
  #sequence = 0;

  constructor(stage: Stage, transactionalId: string, timeoutMs = 60_000) {
    this.#stage = stage;
    this.transactionalId = transactionalId;
    this.#timeoutMs = timeoutMs;
  }

  /** Server of the coordinator. */
  async coordinator(): Promise<string> {
    for (let i = 0; i < ATTEMPTS; i++) {
      const body = { keyType: TRANSACTION, coordinatorKeys: [this.transactionalId] };
      const { coordinators } = await this.#stage.ask(this.#stage.anyone.id, "FindCoordinator", 4, body);
      const [found] = coordinators;
      if (found !== undefined && found.errorCode === 0) return `${found.host}:${found.port}`;
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
    }
    throw new Error(`${this.transactionalId} has no coordinator`);
  }

  async #ask<N extends ApiName>(api: N, version: number, body: object, clientId = "txn"): Promise<ResponseOf<N>> {
    const connection = await connectAs(clientId, await this.coordinator());
    try {
      return await connection.ask(api, version, body);
    } finally {
      connection.close();
    }
  }

  /** Begins a life of the producer: fences the one before it. */
  async init(): Promise<ProducerState> {
    const { transactionalId } = this;
    this.#sequence = 0;
    for (let i = 0; i < ATTEMPTS; i++) {
      const answer = await this.#ask("InitProducerId", 4, { transactionalId, transactionTimeoutMs: this.#timeoutMs });
      if (answer.errorCode === 0) return answer;
      if (!PASSING.includes(answer.errorCode)) throw new Error(`InitProducerId ends with error ${answer.errorCode}`);
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
    }
    throw new Error(`${this.transactionalId} cannot begin`);
  }

  /** Adds a partition to the transaction, as clients do before transaction version 2. Returns the error code. */
  async add({ producerId, producerEpoch }: ProducerState, topic: string, partition = 0): Promise<number> {
    const body = {
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    };
    const { resultsByTopicV3AndBelow: results } = await this.#ask("AddPartitionsToTxn", 3, body);
    return results[0]?.resultsByPartition[0]?.partitionErrorCode ?? 0;
  }

  /** Writes records to partition 0; from version 12 on, that adds it to the transaction. Returns the error code. */
  async produce(state: ProducerState, topic: string, values: readonly string[], version = 12): Promise<number> {
    const { producerId, producerEpoch } = state;
    const sequence = this.#sequence;
    const options = { producerId, producerEpoch, baseSequence: sequence, transactional: true };
    const topicData = [{ name: topic, partitionData: [{ index: 0, records: [batchOf(values, options)] }] }];
    const { broker } = await this.#stage.leader(topic);
    const connection = await connectAs("txn", broker ?? "");
    try {
      const body = { transactionalId: this.transactionalId, acks: -1, timeoutMs: 10_000, topicData };
      const { responses } = await connection.ask("Produce", version, body);
      const code = responses[0]?.partitionResponses[0]?.errorCode ?? -1;
      if (code === 0) this.#sequence += values.length;
      return code;
    } finally {
      connection.close();
    }
  }

  /** Forgets the sequence numbers, as a new epoch does. */
  newEpoch(state: ProducerState): ProducerState {
    this.#sequence = 0;
    return state;
  }

  /** Ends the transaction; version 5 is that of transaction version 2, whose answer has the next epoch. */
  end({ producerId, producerEpoch }: ProducerState, committed: boolean, version = 5, clientId = "txn") {
    const { transactionalId } = this;
    return this.#ask("EndTxn", version, { transactionalId, producerId, producerEpoch, committed }, clientId);
  }
}
