import { KafkaError } from "@samsa/client-kernel";
import type { Acknowledge, Producer, ProducerRecord } from "@samsa/client-runtime";

/** Sends records one after the other through a producer, and waits where it has no room; memory stays bounded. */
export class Sender {
  readonly #producer: Producer;

  constructor(producer: Producer) {
    this.#producer = producer;
  }

  /** Hands a record to the producer, once it has room. `acknowledge` hears of the record's end, good or bad. */
  async send(record: ProducerRecord, acknowledge: Acknowledge): Promise<void> {
    try {
      while (!this.#producer.offer(record, acknowledge)) await this.#producer.drained();
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      acknowledge(error, undefined);
    }
  }
}
