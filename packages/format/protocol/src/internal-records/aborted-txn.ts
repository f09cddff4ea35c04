/** AbortedTxn: entry of a segment's index of aborted transactions. */
import { message } from "../message.ts";
import { type Infer, offset, producerId } from "../schema.ts";

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
