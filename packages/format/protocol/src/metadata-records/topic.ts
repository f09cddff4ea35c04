/** TopicRecord: a topic was created. */
import { message } from "../codec/message.ts";
import { type Infer, string, uuid } from "../codec/schema.ts";

export const topicRecord = message(
  "TopicRecord",
  { versions: [0, 0], flexible: 0 },
  {
    name: string(),
    topicId: uuid(),
  },
);
export type TopicRecord = Infer<typeof topicRecord>;
