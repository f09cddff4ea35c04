import { message } from "../message.ts";
import { type Infer, string } from "../schema.ts";

export const clearElrRecord = message(
  "ClearElrRecord",
  { versions: [0, 0], flexible: 0 },
  {
    topicName: string(),
  },
);
export type ClearElrRecord = Infer<typeof clearElrRecord>;
