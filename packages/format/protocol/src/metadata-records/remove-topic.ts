/** RemoveTopicRecord: a topic was deleted. */
import { message } from "../codec/message.ts";
import { type Infer, uuid } from "../codec/schema.ts";

export const removeTopicRecord = message(
  "RemoveTopicRecord",
  { versions: [0, 0], flexible: 0 },
  {
    topicId: uuid(),
  },
);
export type RemoveTopicRecord = Infer<typeof removeTopicRecord>;
