/** ConsumerGroupRegularExpression: topics that a regular expression of a consumer group matches. */
import { message } from "../codec/message.ts";
import { array, i64, type Infer, string } from "../codec/schema.ts";

export const consumerGroupRegularExpressionKey = message(
  "ConsumerGroupRegularExpressionKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    regularExpression: string(),
  },
);
export type ConsumerGroupRegularExpressionKey = Infer<typeof consumerGroupRegularExpressionKey>;

export const consumerGroupRegularExpressionValue = message(
  "ConsumerGroupRegularExpressionValue",
  { versions: [0, 0], flexible: 0 },
  {
    topics: array(string()),
    version: i64(),
    timestamp: i64(),
  },
);
export type ConsumerGroupRegularExpressionValue = Infer<typeof consumerGroupRegularExpressionValue>;
