import { message } from "../message.ts";
import { bool, i16, i32, type Infer, producerId, string } from "../schema.ts";

export const endTxnRequest = message(
  "EndTxnRequest",
  { versions: [0, 5], flexible: 3 },
  {
    transactionalId: string(),
    producerId: producerId(),
    producerEpoch: i16(),
    committed: bool(),
  },
);
export type EndTxnRequest = Infer<typeof endTxnRequest>;

export const endTxnResponse = message(
  "EndTxnResponse",
  { versions: [0, 5], flexible: 3 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    producerId: producerId({ since: 5, default: -1n, ignorable: true }),
    producerEpoch: i16({ since: 5, default: -1, ignorable: true }),
  },
);
export type EndTxnResponse = Infer<typeof endTxnResponse>;
