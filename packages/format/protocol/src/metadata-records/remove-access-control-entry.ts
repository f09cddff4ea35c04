/** RemoveAccessControlEntryRecord: an access control entry was deleted. */
import { message } from "../codec/message.ts";
import { type Infer, uuid } from "../codec/schema.ts";

export const removeAccessControlEntryRecord = message(
  "RemoveAccessControlEntryRecord",
  { versions: [0, 0], flexible: 0 },
  {
    id: uuid(),
  },
);
export type RemoveAccessControlEntryRecord = Infer<typeof removeAccessControlEntryRecord>;
