/** AbortTransactionRecord: aborts the open metadata transaction; the records since its beginning are dropped. */
import { message } from "../codec/message.ts";
import { type Infer, string } from "../codec/schema.ts";

export const abortTransactionRecord = message(
  "AbortTransactionRecord",
  { versions: [0, 0], flexible: 0 },
  {
    reason: string({ nullable: true, tag: 0, default: null }),
  },
);
export type AbortTransactionRecord = Infer<typeof abortTransactionRecord>;
