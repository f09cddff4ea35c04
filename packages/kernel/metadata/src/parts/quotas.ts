import { metadataRecord } from "@samsa/protocol";
import { quotaKey } from "../image/image.ts";
import type { ImagePart } from "./part.ts";

export const quotas: ImagePart<"ClientQuotaRecord"> = {
  replay: {
    ClientQuotaRecord(edits, { entity, key: quota, value, remove }) {
      const key = quotaKey(entity);
      const values = new Map(edits.now("quotas").get(key)?.quotas);
      if (remove) values.delete(quota);
      else values.set(quota, value);
      if (values.size === 0) edits.remove("quotas", key);
      else edits.edit("quotas").set(key, { entity, quotas: values });
    },
  },
  snapshot(image, put) {
    for (const { entity, quotas: values } of image.quotas.values()) {
      for (const [key, value] of values) {
        put(metadataRecord("ClientQuotaRecord", 0, { entity, key, value, remove: false }));
      }
    }
  },
};
