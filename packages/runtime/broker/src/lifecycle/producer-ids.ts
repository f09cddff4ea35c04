import type { BrokerEpoch, BrokerId, ProducerId } from "@samsa/base";
import type { ControllerChannel } from "../controller/controller-channel.ts";

interface Host {
  readonly nodeId: BrokerId;
  readonly brokerEpoch: () => BrokerEpoch;
  readonly channel: ControllerChannel;
}

/** Hands out producer ids from blocks that the controller allocates (`RPCProducerIdManager`). */
export class ProducerIds {
  readonly #host: Host;
  #next: ProducerId = 0n;
  #left = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Returns a fresh producer id; rejects if the controller allocates no block. */
  async next(): Promise<ProducerId> {
    const { nodeId, brokerEpoch, channel } = this.#host;
    while (this.#left === 0) {
      const request = { brokerId: nodeId, brokerEpoch: brokerEpoch() };
      const block = await channel.call("AllocateProducerIds", request);
      if (block.errorCode !== 0) throw new Error(`no producer ids: error ${block.errorCode}`);
      // A concurrent request may have fetched a block too; the rest of that block is dropped for simplicity.
      this.#next = block.producerIdStart;
      this.#left = block.producerIdLen;
    }
    this.#left--;
    return this.#next++;
  }
}
