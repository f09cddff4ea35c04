import type { ProducerEpoch, ProducerId } from "@samsa/base";

/** Producer id and epoch. */
export interface ProducerIdAndEpoch {
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
}

/** No producer id yet. */
export const NO_PRODUCER: ProducerIdAndEpoch = { producerId: -1n, producerEpoch: -1 };
