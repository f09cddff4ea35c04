/**
 * CreatePartitions: adds partitions to topics.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: Flexible (KIP-482).
 * Version 3: May return THROTTLING_QUOTA_EXCEEDED (KIP-599).
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, type Infer, string } from "../codec/schema.ts";

const createPartitionsAssignment = {
  brokerIds: array(brokerId()),
};

export const createPartitionsRequest = message(
  "CreatePartitionsRequest",
  { versions: [0, 3], flexible: 2 },
  {
    topics: array({
      name: string(),
      count: i32(),
      assignments: array(createPartitionsAssignment, { nullable: true }),
    }),
    timeoutMs: i32(),
    validateOnly: bool(),
  },
);
export type CreatePartitionsRequest = Infer<typeof createPartitionsRequest>;

export const createPartitionsResponse = message(
  "CreatePartitionsResponse",
  { versions: [0, 3], flexible: 2 },
  {
    throttleTimeMs: i32(),
    results: array({
      name: string(),
      errorCode: i16(),
      errorMessage: string({ nullable: true, default: null }),
    }),
  },
);
export type CreatePartitionsResponse = Infer<typeof createPartitionsResponse>;
