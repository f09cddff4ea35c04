import {
  KafkaError,
  type ProduceCall,
  type ProducerCore,
  type TransactionAnswer,
  type TransactionApi,
  type TransactionCall,
} from "@samsa/client-kernel";
import type { RequestFor, ResponseOf } from "@samsa/wire";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import type { Ticket } from "./tickets.ts";

/** Sends the requests of a producer, and gives it the answers. `wake` is called after each. */
export class ProducerCalls {
  readonly #client: ClusterClient;
  readonly #core: ProducerCore<Ticket>;
  readonly #wake: () => void;

  constructor(client: ClusterClient, core: ProducerCore<Ticket>, wake: () => void) {
    this.#client = client;
    this.#core = core;
    this.#wake = wake;
  }

  get #now(): number {
    return this.#client.env.clock.monotonic();
  }

  async produce({ id, brokerId, request, maxVersion }: ProduceCall): Promise<void> {
    try {
      if (request.acks === 0) {
        await this.#client.tell(brokerId, "Produce", request, { maxVersion });
        this.#core.answered(id, undefined, this.#now);
      } else {
        this.#core.answered(id, await this.#client.call(brokerId, "Produce", request, { maxVersion }), this.#now);
      }
    } catch (error) {
      this.#core.failed(id, this.#errorOf(error), this.#now);
    }
    this.#wake();
  }

  async transaction(call: TransactionCall): Promise<void> {
    try {
      const answer = await this.#ask(call);
      this.#learn();
      this.#core.transactionAnswered(call.id, answer, this.#now);
    } catch (error) {
      this.#core.transactionFailed(call.id, this.#errorOf(error), this.#now);
    }
    this.#wake();
  }

  #ask(call: TransactionCall): Promise<TransactionAnswer> {
    switch (call.api) {
      case "InitProducerId":
        return this.#send(call, call.api, call.request).then(response => ({ api: call.api, response }));
      case "AddPartitionsToTxn":
        return this.#send(call, call.api, call.request).then(response => ({ api: call.api, response }));
      case "AddOffsetsToTxn":
        return this.#send(call, call.api, call.request).then(response => ({ api: call.api, response }));
      case "TxnOffsetCommit":
        return this.#send(call, call.api, call.request).then(response => ({ api: call.api, response }));
      case "EndTxn":
        return this.#send(call, call.api, call.request).then(response => ({ api: call.api, response }));
    }
  }

  #send<N extends TransactionApi>(call: TransactionCall, api: N, request: RequestFor<N>): Promise<ResponseOf<N>> {
    const { coordinator, maxVersion } = call;
    if (coordinator === undefined) return this.#client.callAny(api, request, { maxVersion });
    const { type: kind, key } = coordinator;
    return this.#client.callCoordinator({ kind, key }, api, request, { maxVersion });
  }

  /** Tells the producer of the features of the newest broker that is known, and of the oldest InitProducerId. */
  #learn(): void {
    let epoch = -1n;
    let transactionVersion = 0;
    let initProducerIdVersion = Infinity;
    for (const id of this.#client.metadata.brokers.keys()) {
      const versions = this.#client.versionsOf(id);
      if (versions === undefined) continue;
      const { finalizedFeatures, finalizedFeaturesEpoch } = versions.response;
      initProducerIdVersion = Math.min(initProducerIdVersion, versions.latestUsable("InitProducerId") ?? 0);
      if (BigInt(finalizedFeaturesEpoch) <= epoch) continue;
      epoch = BigInt(finalizedFeaturesEpoch);
      transactionVersion = finalizedFeatures.find(({ name }) => name === "transaction.version")?.maxVersionLevel ?? 0;
    }
    if (initProducerIdVersion < Infinity) this.#core.learn({ transactionVersion, initProducerIdVersion });
  }

  /** Error for the producer. Others than `KafkaError` are bugs, which must not stop it. */
  #errorOf(error: unknown): KafkaError {
    if (error instanceof KafkaError) return error;
    this.#client.env.logger.error("a request of the producer failed", { error: String(error) });
    return new KafkaError("PROTOCOL_VIOLATION", "the request of the producer failed", { cause: error });
  }
}
