/** AbortedTxn: entry of a segment's index of aborted transactions. */
import { message } from "../message.ts";
import { i64, type Infer, producerId } from "../schema.ts";

export const abortedTxn = message(
  "AbortedTxn",
  { versions: [0, 0] },
  {
    producerId: producerId(),
    firstOffset: i64(),
    lastOffset: i64(),
    lastStableOffset: i64(),
  },
);
export type AbortedTxn = Infer<typeof abortedTxn>;
