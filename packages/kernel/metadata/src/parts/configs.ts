import { metadataRecord } from "@samsa/protocol";
import { configKey } from "../image/image.ts";
import type { ImagePart } from "./part.ts";

export const configs: ImagePart<"ConfigRecord"> = {
  replay: {
    ConfigRecord(edits, { resourceType, resourceName, name, value }) {
      const key = configKey(resourceType, resourceName);
      const values = new Map(edits.now("configs").get(key)?.values);
      if (value === null) values.delete(name);
      else values.set(name, value);
      if (values.size === 0) edits.remove("configs", key);
      else edits.edit("configs").set(key, { type: resourceType, name: resourceName, values });
      edits.changedConfigs.add(key);
    },
  },
  snapshot(image, put) {
    for (const { type: resourceType, name: resourceName, values } of image.configs.values()) {
      for (const [name, value] of values) {
        put(metadataRecord("ConfigRecord", 0, { resourceType, resourceName, name, value }));
      }
    }
  },
};
