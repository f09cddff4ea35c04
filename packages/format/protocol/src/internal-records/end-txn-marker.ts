/** EndTxnMarker: value of a transaction marker, a control record in a partition. */
import { message } from "../message.ts";
import { i32, type Infer } from "../schema.ts";

export const endTxnMarker = message(
  "EndTxnMarker",
  { versions: [0, 0] },
  {
    coordinatorEpoch: i32(),
  },
);
export type EndTxnMarker = Infer<typeof endTxnMarker>;
