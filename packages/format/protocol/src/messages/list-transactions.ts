/**
 * ListTransactions: lists the transactions of a coordinator.
 *
 * Version 1: Adds DurationFilter (KIP-994).
 * Version 2: Adds TransactionalIdPattern; may return INVALID_REGULAR_EXPRESSION (KIP-1152).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i64, type Infer, producerId, string } from "../codec/schema.ts";

export const listTransactionsRequest = message(
  "ListTransactionsRequest",
  { versions: [0, 2], flexible: 0 },
  {
    stateFilters: array(string()),
    producerIdFilters: array(producerId()),
    durationFilter: i64({ since: 1, default: -1 }),
    transactionalIdPattern: string({ since: 2, nullable: true, default: null }),
  },
);
export type ListTransactionsRequest = Infer<typeof listTransactionsRequest>;

export const listTransactionsResponse = message(
  "ListTransactionsResponse",
  { versions: [0, 2], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    unknownStateFilters: array(string()),
    transactionStates: array({
      transactionalId: string(),
      producerId: producerId(),
      transactionState: string(),
    }),
  },
);
export type ListTransactionsResponse = Infer<typeof listTransactionsResponse>;
