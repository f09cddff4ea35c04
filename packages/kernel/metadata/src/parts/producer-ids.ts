import { metadataRecord } from "@samsa/protocol";
import type { ImagePart } from "./part.ts";

export const producerIds: ImagePart<"ProducerIdsRecord"> = {
  replay: {
    ProducerIdsRecord({ next }, { brokerId, brokerEpoch, nextProducerId }) {
      next.nextProducerId = nextProducerId;
      next.producerIdsFrom = { brokerId, brokerEpoch };
    },
  },
  snapshot({ producerIdsFrom, nextProducerId }, put) {
    if (nextProducerId > 0n) put(metadataRecord("ProducerIdsRecord", 0, { ...producerIdsFrom, nextProducerId }));
  },
};
