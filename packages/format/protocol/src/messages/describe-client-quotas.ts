/**
 * DescribeClientQuotas: lists client quotas that match a filter.
 *
 * Version 1: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, bool, f64, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const describeClientQuotasRequest = message(
  "DescribeClientQuotasRequest",
  { versions: [0, 1], flexible: 1 },
  {
    components: array({
      entityType: string(),
      matchType: i8(),
      match: string({ nullable: true }),
    }),
    strict: bool(),
  },
);
export type DescribeClientQuotasRequest = Infer<typeof describeClientQuotasRequest>;

const entryData = {
  entity: array({
    entityType: string(),
    entityName: string({ nullable: true }),
  }),
  values: array({
    key: string(),
    value: f64(),
  }),
};

export const describeClientQuotasResponse = message(
  "DescribeClientQuotasResponse",
  { versions: [0, 1], flexible: 1 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    entries: array(entryData, { nullable: true }),
  },
);
export type DescribeClientQuotasResponse = Infer<typeof describeClientQuotasResponse>;
