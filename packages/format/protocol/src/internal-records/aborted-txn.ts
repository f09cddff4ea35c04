/** AbortedTxn: entry of a segment's index of aborted transactions. */
import { message } from "../codec/message.ts";
import { type Infer, offset, producerId } from "../codec/schema.ts";

export const abortedTxn = message(
  "AbortedTxn",
  { versions: [0, 0] },
  {
    producerId: producerId(),
    firstOffset: offset(),
    lastOffset: offset(),
    lastStableOffset: offset(),
  },
);
export type AbortedTxn = Infer<typeof abortedTxn>;
