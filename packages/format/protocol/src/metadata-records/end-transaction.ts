/** EndTransactionRecord: commits the open metadata transaction. */
import { message } from "../codec/message.ts";
import { type Infer } from "../codec/schema.ts";

export const endTransactionRecord = message("EndTransactionRecord", { versions: [0, 0], flexible: 0 }, {});
export type EndTransactionRecord = Infer<typeof endTransactionRecord>;
