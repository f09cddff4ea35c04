import type { BrokerEpoch, BrokerId } from "@samsa/base";
import { type BrokerRegistrationChangeRecord, type MetadataRecord, metadataRecord } from "@samsa/protocol";
import { type ImageEdits, MetadataError } from "../image/edits.ts";
import type { BrokerImage } from "../image/image.ts";
import { recordVersions } from "../image/versions.ts";
import { metadataVersionOf } from "./features.ts";
import type { ImagePart } from "./part.ts";

/** Registration record in the version for `metadataVersion`; fields that it cannot hold are left out. */
export function brokerRecord(broker: BrokerImage, metadataVersion: number): MetadataRecord {
  const version = recordVersions(metadataVersion).registerBroker;
  return metadataRecord("RegisterBrokerRecord", version, {
    ...broker,
    isMigratingZkBroker: version >= 2 && broker.isMigratingZkBroker,
    logDirs: version >= 3 ? broker.logDirs : [],
    cordonedLogDirs: version >= 4 ? broker.cordonedLogDirs : null,
  });
}

function brokerAt(edits: ImageEdits, id: BrokerId, epoch: BrokerEpoch): BrokerImage {
  const broker = edits.now("brokers").get(id);
  if (broker === undefined) throw new MetadataError(`no broker ${id}`);
  if (broker.brokerEpoch !== epoch) throw new MetadataError(`broker ${id} is not at epoch ${epoch}`);
  return broker;
}

function set(edits: ImageEdits, broker: BrokerImage): void {
  edits.edit("brokers").set(broker.brokerId, broker);
  edits.changedBrokers.add(broker.brokerId);
}

function changed(broker: BrokerImage, change: BrokerRegistrationChangeRecord): BrokerImage {
  return {
    ...broker,
    // 1 sets and 0 keeps either flag; only `fenced` can be cleared, by −1.
    fenced: change.fenced === 0 ? broker.fenced : change.fenced > 0,
    inControlledShutdown: broker.inControlledShutdown || change.inControlledShutdown === 1,
    logDirs: change.logDirs.length === 0 ? broker.logDirs : change.logDirs,
    cordonedLogDirs: change.cordonedLogDirs ?? broker.cordonedLogDirs,
  };
}

export const brokers: ImagePart<
  | "RegisterBrokerRecord"
  | "UnregisterBrokerRecord"
  | "BrokerRegistrationChangeRecord"
  | "FenceBrokerRecord"
  | "UnfenceBrokerRecord"
> = {
  replay: {
    RegisterBrokerRecord(edits, record) {
      set(edits, record);
    },
    UnregisterBrokerRecord(edits, { brokerId, brokerEpoch }) {
      brokerAt(edits, brokerId, brokerEpoch);
      edits.remove("brokers", brokerId);
      edits.changedBrokers.add(brokerId);
    },
    BrokerRegistrationChangeRecord(edits, change) {
      set(edits, changed(brokerAt(edits, change.brokerId, change.brokerEpoch), change));
    },
    FenceBrokerRecord(edits, { id, epoch }) {
      set(edits, { ...brokerAt(edits, id, epoch), fenced: true });
    },
    UnfenceBrokerRecord(edits, { id, epoch }) {
      set(edits, { ...brokerAt(edits, id, epoch), fenced: false });
    },
  },
  snapshot(image, put) {
    const level = metadataVersionOf(image);
    for (const broker of image.brokers.values()) put(brokerRecord(broker, level));
  },
};
