/** EndTxnMarker: value of a transaction marker, a control record in a partition. */
import { message } from "../codec/message.ts";
import { type Infer, leaderEpoch } from "../codec/schema.ts";

export const endTxnMarker = message(
  "EndTxnMarker",
  { versions: [0, 0] },
  {
    coordinatorEpoch: leaderEpoch(),
  },
);
export type EndTxnMarker = Infer<typeof endTxnMarker>;
