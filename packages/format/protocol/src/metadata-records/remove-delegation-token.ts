/** RemoveDelegationTokenRecord: a delegation token was deleted. */
import { message } from "../codec/message.ts";
import { type Infer, string } from "../codec/schema.ts";

export const removeDelegationTokenRecord = message(
  "RemoveDelegationTokenRecord",
  { versions: [0, 0], flexible: 0 },
  {
    tokenId: string(),
  },
);
export type RemoveDelegationTokenRecord = Infer<typeof removeDelegationTokenRecord>;
