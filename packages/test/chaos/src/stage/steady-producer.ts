import { ignored, type ProducerId } from "@samsa/base";
import type { Acknowledged, Load } from "@samsa/interop";
import { Errors } from "@samsa/protocol";
import type { RawConnection, Security } from "@samsa/wire";
import type { Producer } from "./writer.ts";
import { batchOf, connectAs } from "./wire.ts";

/** Times in ms: of an answer about metadata, of an answer to records, between attempts, and between batches. */
const ASK_MS = 300;
const PRODUCE_MS = 1500;
const AGAIN_MS = 20;
const PACE_MS = 5;
const BATCH = 3;
const VERSIONS = { metadata: 12, initProducerId: 4, produce: 9 } as const;
const DROP = ignored("a server that does not answer has nothing to tell");

interface Leader {
  readonly server: string;
  readonly epoch: number;
}

/**
 * Idempotent producer of our own, which measures a cluster and not a client: it believes the newest leader epoch that any
 * broker tells, sends one batch at a time to each partition, and repeats it every 20 ms until it is acknowledged.
 */
export class SteadyProducer implements Producer {
  readonly idempotent = true;
  readonly #servers: readonly string[];
  readonly #partitions: number;
  readonly #security: Security | undefined;
  #producerId: ProducerId = -1n;
  #isStopped = false;
  #sequence = 0;
  readonly #leaders = new Map<number, Leader>();

  constructor(servers: string, partitions: number, security?: Security) {
    this.#security = security;
    this.#servers = servers.split(",");
    this.#partitions = partitions;
  }

  async load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load> {
    this.#producerId = await this.#initialize();
    const loops = Promise.all(
      Array.from({ length: this.#partitions }, (_, partition) => this.#loop(topic, partition, onAck)),
    );
    loops.catch(ignored("`stop` reports the failure"));
    return {
      stop: async () => {
        this.#isStopped = true;
        await loops;
      },
    };
  }

  async #initialize(): Promise<ProducerId> {
    const connection = await connectAs("steady", this.#servers[0] ?? "", undefined, this.#security);
    try {
      for (;;) {
        const body = { transactionalId: null, transactionTimeoutMs: 0 };
        const { errorCode, producerId } = await connection.ask("InitProducerId", VERSIONS.initProducerId, body);
        if (errorCode === 0) return producerId;
        // A broker of Kafka gets its first ids from the controller when it is asked.
        if (errorCode !== Errors.COORDINATOR_LOAD_IN_PROGRESS.code)
          throw new Refused(`no producer id: error ${errorCode}`);
        await pause(AGAIN_MS);
      }
    } finally {
      connection.close();
    }
  }

  async #loop(topic: string, partition: number, onAck: (acknowledged: Acknowledged) => void): Promise<void> {
    let connection: RawConnection | undefined;
    let baseSequence = 0;
    while (!this.#isStopped) {
      const values = Array.from({ length: BATCH }, () => `${this.#sequence++}:steady`);
      const producer = { producerId: this.#producerId, producerEpoch: 0, baseSequence };
      const partitionData = [{ index: partition, records: [batchOf(values, producer)] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: PRODUCE_MS };
      for (let offset: number | undefined; offset === undefined; ) {
        try {
          connection ??= await this.#connect(await this.#leader(topic, partition), PRODUCE_MS);
          offset = await produced(connection, { ...body, topicData: [{ name: topic, partitionData }] });
        } catch (error) {
          if (error instanceof Refused) throw error;
        }
        if (offset !== undefined) for (const value of values) onAck({ partition, offset: offset++, value });
        else {
          connection?.close();
          connection = undefined;
          await Promise.all([this.#refresh(topic), pause(AGAIN_MS)]);
        }
      }
      baseSequence += BATCH;
      await pause(PACE_MS);
    }
    connection?.close();
  }

  #connect(server: string, timeoutMs: number): Promise<RawConnection> {
    return connectAs("steady", server, timeoutMs, this.#security);
  }

  async #leader(topic: string, partition: number): Promise<string> {
    if (!this.#leaders.has(partition)) await this.#refresh(topic);
    const found = this.#leaders.get(partition);
    if (found === undefined) throw new Error("no broker knows the leader");
    return found.server;
  }

  /** Asks all brokers for the leaders; the largest epoch wins. */
  async #refresh(topic: string): Promise<void> {
    await Promise.all(this.#servers.map(server => this.#learn(server, topic).catch(DROP)));
  }

  async #learn(server: string, topic: string): Promise<void> {
    const connection = await this.#connect(server, ASK_MS);
    try {
      const { brokers, topics } = await connection.ask("Metadata", VERSIONS.metadata, { topics: [{ name: topic }] });
      for (const { partitionIndex, leaderId, leaderEpoch: epoch } of topics[0]?.partitions ?? []) {
        const node = brokers.find(({ nodeId }) => nodeId === leaderId);
        if (node === undefined || epoch < (this.#leaders.get(partitionIndex)?.epoch ?? -1)) continue;
        this.#leaders.set(partitionIndex, { server: `${node.host}:${node.port}`, epoch });
      }
    } finally {
      connection.close();
    }
  }
}

/** Refusal that shows a fault of the broker: repeating the batch does not help. */
class Refused extends Error {}

/** Sends a batch. Resolves with its offset; undefined if it must be sent again. */
async function produced(connection: RawConnection, body: object): Promise<number | undefined> {
  const { responses } = await connection.ask("Produce", VERSIONS.produce, body, PRODUCE_MS);
  const answer = responses[0]?.partitionResponses[0];
  if (answer === undefined) return undefined;
  const { OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, DUPLICATE_SEQUENCE_NUMBER, CORRUPT_MESSAGE } = Errors;
  const { errorCode, baseOffset } = answer;
  const refusals = [OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, DUPLICATE_SEQUENCE_NUMBER, CORRUPT_MESSAGE];
  const refusal = refusals.find(({ code }) => code === errorCode);
  if (refusal !== undefined) throw new Refused(`a batch is refused with error ${errorCode}`);
  return errorCode === 0 ? Number(baseOffset) : undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
