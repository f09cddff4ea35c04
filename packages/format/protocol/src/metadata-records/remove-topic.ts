/** RemoveTopicRecord: a topic was deleted. */
import { message } from "../message.ts";
import { type Infer, uuid } from "../schema.ts";

export const removeTopicRecord = message(
  "RemoveTopicRecord",
  { versions: [0, 0], flexible: 0 },
  {
    topicId: uuid(),
  },
);
export type RemoveTopicRecord = Infer<typeof removeTopicRecord>;
