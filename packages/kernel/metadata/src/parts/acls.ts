import { metadataRecord } from "@samsa/protocol";
import { MetadataError } from "../image/edits.ts";
import type { ImagePart } from "./part.ts";

export const acls: ImagePart<"AccessControlEntryRecord" | "RemoveAccessControlEntryRecord"> = {
  replay: {
    AccessControlEntryRecord(edits, record) {
      edits.edit("acls").set(record.id, record);
    },
    RemoveAccessControlEntryRecord(edits, { id }) {
      if (!edits.edit("acls").delete(id)) throw new MetadataError(`no ACL ${id}`);
    },
  },
  snapshot(image, put) {
    for (const acl of image.acls.values()) put(metadataRecord("AccessControlEntryRecord", 0, acl));
  },
};
