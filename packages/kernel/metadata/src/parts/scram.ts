import { metadataRecord } from "@samsa/protocol";
import { scramKey } from "../image/image.ts";
import type { ImagePart } from "./part.ts";

export const scram: ImagePart<"UserScramCredentialRecord" | "RemoveUserScramCredentialRecord"> = {
  replay: {
    UserScramCredentialRecord(edits, record) {
      edits.edit("scram").set(scramKey(record.mechanism, record.name), record);
    },
    RemoveUserScramCredentialRecord(edits, { mechanism, name }) {
      edits.remove("scram", scramKey(mechanism, name));
    },
  },
  snapshot(image, put) {
    for (const credential of image.scram.values()) put(metadataRecord("UserScramCredentialRecord", 0, credential));
  },
};
