/** ProducerSnapshot: producer state of a partition at an offset, in a `.snapshot` file. */
import { message } from "../codec/message.ts";
import { array, i32, i64, type Infer, leaderEpoch, offset, producerEpoch, producerId, u32 } from "../codec/schema.ts";

export const producerSnapshot = message(
  "ProducerSnapshot",
  { versions: [1, 1] },
  {
    crc: u32(),
    producerEntries: array({
      producerId: producerId(),
      epoch: producerEpoch(),
      lastSequence: i32(),
      lastOffset: offset(),
      offsetDelta: i32(),
      timestamp: i64(),
      coordinatorEpoch: leaderEpoch(),
      currentTxnFirstOffset: offset(),
    }),
  },
);
export type ProducerSnapshot = Infer<typeof producerSnapshot>;
