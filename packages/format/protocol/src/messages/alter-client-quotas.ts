/**
 * AlterClientQuotas: sets or removes client quotas.
 *
 * Version 1: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, bool, f64, i16, i32, type Infer, string } from "../codec/schema.ts";

export const alterClientQuotasRequest = message(
  "AlterClientQuotasRequest",
  { versions: [0, 1], flexible: 1 },
  {
    entries: array({
      entity: array({
        entityType: string(),
        entityName: string({ nullable: true }),
      }),
      ops: array({
        key: string(),
        value: f64(),
        remove: bool(),
      }),
    }),
    validateOnly: bool(),
  },
);
export type AlterClientQuotasRequest = Infer<typeof alterClientQuotasRequest>;

export const alterClientQuotasResponse = message(
  "AlterClientQuotasResponse",
  { versions: [0, 1], flexible: 1 },
  {
    throttleTimeMs: i32(),
    entries: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
      entity: array({
        entityType: string(),
        entityName: string({ nullable: true }),
      }),
    }),
  },
);
export type AlterClientQuotasResponse = Infer<typeof alterClientQuotasResponse>;
