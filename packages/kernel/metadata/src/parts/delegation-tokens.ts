import { metadataRecord } from "@samsa/protocol";
import type { ImagePart } from "./part.ts";

export const delegationTokens: ImagePart<"DelegationTokenRecord" | "RemoveDelegationTokenRecord"> = {
  replay: {
    DelegationTokenRecord(edits, record) {
      edits.edit("delegationTokens").set(record.tokenId, record);
    },
    RemoveDelegationTokenRecord(edits, { tokenId }) {
      edits.remove("delegationTokens", tokenId);
    },
  },
  snapshot(image, put) {
    for (const token of image.delegationTokens.values()) put(metadataRecord("DelegationTokenRecord", 0, token));
  },
};
