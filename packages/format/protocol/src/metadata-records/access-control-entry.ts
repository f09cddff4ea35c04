/** AccessControlEntryRecord: an access control entry was added. */
import { message } from "../codec/message.ts";
import { i8, type Infer, string, uuid } from "../codec/schema.ts";

export const accessControlEntryRecord = message(
  "AccessControlEntryRecord",
  { versions: [0, 0], flexible: 0 },
  {
    id: uuid(),
    resourceType: i8(),
    resourceName: string(),
    patternType: i8(),
    principal: string(),
    host: string(),
    operation: i8(),
    permissionType: i8(),
  },
);
export type AccessControlEntryRecord = Infer<typeof accessControlEntryRecord>;
