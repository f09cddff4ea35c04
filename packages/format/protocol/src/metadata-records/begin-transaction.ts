/** BeginTransactionRecord: begins a metadata transaction, whose records are applied together (KIP-868). */
import { message } from "../codec/message.ts";
import { type Infer, string } from "../codec/schema.ts";

export const beginTransactionRecord = message(
  "BeginTransactionRecord",
  { versions: [0, 0], flexible: 0 },
  {
    name: string({ nullable: true, tag: 0, default: null }),
  },
);
export type BeginTransactionRecord = Infer<typeof beginTransactionRecord>;
