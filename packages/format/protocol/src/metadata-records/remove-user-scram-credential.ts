/** RemoveUserScramCredentialRecord: a SCRAM credential of a user was deleted. */
import { message } from "../codec/message.ts";
import { i8, type Infer, string } from "../codec/schema.ts";

export const removeUserScramCredentialRecord = message(
  "RemoveUserScramCredentialRecord",
  { versions: [0, 0], flexible: 0 },
  {
    name: string(),
    mechanism: i8(),
  },
);
export type RemoveUserScramCredentialRecord = Infer<typeof removeUserScramCredentialRecord>;
