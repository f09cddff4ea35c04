/**
 * DeleteTopics: deletes topics.
 *
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: May return TOPIC_DELETION_DISABLED.
 * Version 4: Flexible (KIP-482).
 * Version 5: Adds error messages; may return THROTTLING_QUOTA_EXCEEDED (KIP-599).
 * Version 6: Topics may be given by id instead of name: Topics replaces TopicNames.
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, string, uuid } from "../codec/schema.ts";

const deleteTopicState = {
  name: string({ nullable: true, default: null }),
  topicId: uuid(),
};

export const deleteTopicsRequest = message(
  "DeleteTopicsRequest",
  { versions: [1, 6], flexible: 4 },
  {
    topics: array(deleteTopicState, { since: 6 }),
    topicNames: array(string(), { until: 5, ignorable: true }),
    timeoutMs: i32(),
  },
);
export type DeleteTopicsRequest = Infer<typeof deleteTopicsRequest>;

export const deleteTopicsResponse = message(
  "DeleteTopicsResponse",
  { versions: [1, 6], flexible: 4 },
  {
    throttleTimeMs: i32({ ignorable: true }),
    responses: array({
      name: string({ nullable: 6 }),
      topicId: uuid({ since: 6, ignorable: true }),
      errorCode: i16(),
      errorMessage: string({ since: 5, nullable: true, default: null, ignorable: true }),
    }),
  },
);
export type DeleteTopicsResponse = Infer<typeof deleteTopicsResponse>;
