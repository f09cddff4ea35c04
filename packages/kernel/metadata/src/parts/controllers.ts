import { metadataRecord } from "@samsa/protocol";
import type { ImagePart } from "./part.ts";

export const controllers: ImagePart<"RegisterControllerRecord" | "UnregisterControllerRecord"> = {
  replay: {
    RegisterControllerRecord(edits, record) {
      edits.edit("controllers").set(record.controllerId, record);
    },
    UnregisterControllerRecord(edits, { controllerId }) {
      edits.remove("controllers", controllerId);
    },
  },
  snapshot(image, put) {
    for (const controller of image.controllers.values()) put(metadataRecord("RegisterControllerRecord", 0, controller));
  },
};
