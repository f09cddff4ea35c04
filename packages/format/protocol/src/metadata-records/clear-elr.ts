/** ClearElrRecord: clears the eligible leader replicas of a topic, or of all topics if the name is empty. */
import { message } from "../codec/message.ts";
import { type Infer, string } from "../codec/schema.ts";

export const clearElrRecord = message(
  "ClearElrRecord",
  { versions: [0, 0], flexible: 0 },
  {
    topicName: string(),
  },
);
export type ClearElrRecord = Infer<typeof clearElrRecord>;
