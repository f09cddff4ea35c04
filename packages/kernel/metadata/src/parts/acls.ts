import { metadataRecord } from "@samsa/protocol";
import { MetadataError } from "../image/edits.ts";
import { aclKey } from "../image/image.ts";
import type { ImagePart } from "./part.ts";

export const acls: ImagePart<"AccessControlEntryRecord" | "RemoveAccessControlEntryRecord"> = {
  replay: {
    AccessControlEntryRecord(edits, record) {
      edits.edit("acls").set(record.id, record);
      edits.edit("aclIds").set(aclKey(record), record.id);
      edits.changedAcls.add(record.id);
    },
    RemoveAccessControlEntryRecord(edits, { id }) {
      const acl = edits.now("acls").get(id);
      if (acl === undefined) throw new MetadataError(`no ACL ${id}`);
      edits.remove("acls", id);
      edits.remove("aclIds", aclKey(acl));
      edits.changedAcls.add(id);
    },
  },
  snapshot(image, put) {
    for (const acl of image.acls.values()) put(metadataRecord("AccessControlEntryRecord", 0, acl));
  },
};
