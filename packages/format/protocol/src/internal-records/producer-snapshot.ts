/** ProducerSnapshot: producer state of a partition at an offset, in a `.snapshot` file. */
import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, producerId, u32 } from "../schema.ts";

export const producerSnapshot = message(
  "ProducerSnapshot",
  { versions: [1, 1] },
  {
    crc: u32(),
    producerEntries: array({
      producerId: producerId(),
      epoch: i16(),
      lastSequence: i32(),
      lastOffset: i64(),
      offsetDelta: i32(),
      timestamp: i64(),
      coordinatorEpoch: i32(),
      currentTxnFirstOffset: i64(),
    }),
  },
);
export type ProducerSnapshot = Infer<typeof producerSnapshot>;
