/** RemoveDelegationTokenRecord: a delegation token was deleted. */
import { message } from "../message.ts";
import { type Infer, string } from "../schema.ts";

export const removeDelegationTokenRecord = message(
  "RemoveDelegationTokenRecord",
  { versions: [0, 0], flexible: 0 },
  {
    tokenId: string(),
  },
);
export type RemoveDelegationTokenRecord = Infer<typeof removeDelegationTokenRecord>;
