import { isReservedDirectory, type Uuid } from "@samsa/base";
import {
  type BrokerImage,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  brokerRecord,
  metadataVersionOf,
  recordVersions,
  replicaDirectory,
} from "@samsa/metadata";
import {
  type AllocateProducerIdsRequest,
  type AllocateProducerIdsResponse,
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
  Errors,
  type ErrorName,
  type MetadataRecord,
  metadataRecord,
  type UnregisterBrokerRequest,
  type UnregisterBrokerResponse,
  type UnregisterControllerRequest,
  type UnregisterControllerResponse,
} from "@samsa/protocol";
import { type Decision, type DecisionContext, type Refusal, refusal } from "./decision.ts";
import { crashedBroker, forgottenBroker, returnedBroker, withoutBroker } from "./leadership.ts";

const PRODUCER_ID_BLOCK = 1000;
const LAST_PRODUCER_ID = 2n ** 63n - 1n;

/**
 * BrokerRegistration. A new incarnation gets the offset of its record as epoch and starts fenced, and other brokers
 * lead its predecessor's partitions; the same incarnation only updates its registration.
 */
export function registerBroker(
  context: DecisionContext,
  request: BrokerRegistrationRequest,
): Decision<BrokerRegistrationResponse> {
  const { image, draw } = context;
  const fault = registrationFault(context, request);
  if (fault !== undefined) {
    return { records: [], reply: { throttleTimeMs: 0, errorCode: Errors[fault].code, brokerEpoch: -1 } };
  }
  const { brokerId, incarnationId, rack, listeners, features, logDirs } = request;
  const existing = image.brokers.get(brokerId);
  const same = existing?.incarnationId === incarnationId ? existing : undefined;
  // The registration is the last record, so that the broker registers again after a failure in between. Its offset is
  // the broker epoch.
  const records = same === undefined ? predecessorChanges(context, request, existing) : [];
  const brokerEpoch = same?.brokerEpoch ?? draw.nextOffset + records.length;
  const record = brokerRecord(
    {
      brokerId,
      isMigratingZkBroker: false,
      incarnationId,
      brokerEpoch,
      endPoints: listeners,
      features,
      rack,
      fenced: same?.fenced ?? true,
      inControlledShutdown: same?.inControlledShutdown ?? false,
      logDirs,
      cordonedLogDirs: same?.cordonedLogDirs ?? null,
    },
    metadataVersionOf(image),
  );
  return { records: [...records, record], reply: { throttleTimeMs: 0, errorCode: 0, brokerEpoch } };
}

/** Partition changes for the previous incarnation; after a clean shutdown, its replicas stay eligible. */
function predecessorChanges(
  context: DecisionContext,
  { brokerId, previousBrokerEpoch }: BrokerRegistrationRequest,
  existing: BrokerImage | undefined,
): MetadataRecord[] {
  if (existing === undefined) return [];
  const clean = previousBrokerEpoch === existing.brokerEpoch;
  return clean ? withoutBroker(context, brokerId) : crashedBroker(context, brokerId);
}

function registrationFault(
  { image, settings }: DecisionContext,
  request: BrokerRegistrationRequest,
): ErrorName | undefined {
  if (request.clusterId !== settings.clusterId) return "INCONSISTENT_CLUSTER_ID";
  if (request.isMigratingZkBroker) return "BROKER_ID_NOT_REGISTERED";
  if (metadataVersionOf(image) >= METADATA_VERSION.directories) {
    const { logDirs } = request;
    if (logDirs.length === 0 || logDirs.some(isReservedDirectory)) return "INVALID_REGISTRATION";
    const wanted = new Set(logDirs);
    if (wanted.size !== logDirs.length) return "INVALID_REGISTRATION";
    for (const broker of image.brokers.values()) {
      if (broker.brokerId !== request.brokerId && broker.logDirs.some(id => wanted.has(id)))
        return "INVALID_REGISTRATION";
    }
  }
  const offered = new Map(request.features.map(f => [f.name, f]));
  if (!offered.has(METADATA_VERSION_FEATURE)) return "INVALID_REGISTRATION";
  for (const [name, level] of image.features) {
    const range = offered.get(name);
    if (level < (range?.minSupportedVersion ?? 0) || level > (range?.maxSupportedVersion ?? 0)) {
      return "UNSUPPORTED_VERSION";
    }
  }
  return undefined;
}

/**
 * BrokerHeartbeat: unfences a broker that has read the log up to its own registration, fences one on request, and lets
 * one shut down. The caller keeps the sessions, and sends `wantFence` when one expires.
 */
export function brokerHeartbeat(
  context: DecisionContext,
  request: BrokerHeartbeatRequest,
): Decision<BrokerHeartbeatResponse> {
  const { image } = context;
  const { brokerId, brokerEpoch, wantFence, wantShutDown } = request;
  const answer = (records: MetadataRecord[], state: Partial<BrokerHeartbeatResponse>) => ({
    records,
    reply: { throttleTimeMs: 0, errorCode: 0, isCaughtUp: false, isFenced: true, shouldShutDown: false, ...state },
  });
  const broker = image.brokers.get(brokerId);
  if (broker === undefined || broker.brokerEpoch !== brokerEpoch) {
    return answer([], { errorCode: Errors.STALE_BROKER_EPOCH.code });
  }
  const isCaughtUp = request.currentMetadataOffset >= brokerEpoch;
  const fencing = (fenced: number) =>
    metadataRecord(
      "BrokerRegistrationChangeRecord",
      recordVersions(metadataVersionOf(image)).brokerRegistrationChange,
      {
        brokerId,
        brokerEpoch,
        fenced,
      },
    );
  if (wantShutDown || wantFence) {
    const records = broker.fenced ? [] : [fencing(1), ...withoutBroker(context, brokerId)];
    return answer([...records, ...directoryChanges(context, request)], { isCaughtUp, shouldShutDown: wantShutDown });
  }
  const told = directoryChanges(context, request);
  if (!broker.fenced) return answer(told, { isCaughtUp, isFenced: false });
  if (!isCaughtUp) return answer(told, { isCaughtUp });
  return answer([fencing(-1), ...returnedBroker(context, brokerId), ...told], { isCaughtUp, isFenced: false });
}

/**
 * Records for the log directories in a heartbeat: replicas in failed directories leave the ISR, and cordoned
 * directories get no new replicas (KIP-858, KIP-1066).
 */
function directoryChanges(context: DecisionContext, request: BrokerHeartbeatRequest): MetadataRecord[] {
  const { image } = context;
  const { brokerId, brokerEpoch, offlineLogDirs, cordonedLogDirs } = request;
  const broker = image.brokers.get(brokerId);
  const version = metadataVersionOf(image);
  if (broker === undefined || version < METADATA_VERSION.directories) return [];
  const records: MetadataRecord[] = [];
  const change = (what: { logDirs?: readonly Uuid[]; cordonedLogDirs?: readonly Uuid[] }) =>
    metadataRecord("BrokerRegistrationChangeRecord", recordVersions(version).brokerRegistrationChange, {
      brokerId,
      brokerEpoch,
      ...what,
    });
  const failed = new Set(offlineLogDirs.filter(id => broker.logDirs.includes(id)));
  if (failed.size > 0) {
    records.push(...withoutBroker(context, brokerId, partition => failed.has(replicaDirectory(partition, brokerId))));
    records.push(change({ logDirs: broker.logDirs.filter(id => !failed.has(id)) }));
  }
  // null: the broker does not know its cordoned directories yet.
  if (cordonedLogDirs === null || version < METADATA_VERSION.cordonedDirectories) return records;
  const known = new Set(broker.cordonedLogDirs);
  const same = broker.cordonedLogDirs !== null && known.size === new Set([...known, ...cordonedLogDirs]).size;
  if (!same || known.size !== new Set(cordonedLogDirs).size) records.push(change({ cordonedLogDirs }));
  return records;
}

/** AllocateProducerIds: returns the next block of 1000 ids. */
export function allocateProducerIds(
  { image }: DecisionContext,
  { brokerId, brokerEpoch }: AllocateProducerIdsRequest,
): Decision<AllocateProducerIdsResponse> {
  const refuse = (error: ErrorName) => ({
    records: [],
    reply: { throttleTimeMs: 0, errorCode: Errors[error].code, producerIdStart: 0n, producerIdLen: 0 },
  });
  if (image.brokers.get(brokerId)?.brokerEpoch !== brokerEpoch) return refuse("STALE_BROKER_EPOCH");
  const producerIdStart = image.nextProducerId;
  if (producerIdStart > LAST_PRODUCER_ID - BigInt(PRODUCER_ID_BLOCK)) return refuse("UNKNOWN_SERVER_ERROR");
  const nextProducerId = producerIdStart + BigInt(PRODUCER_ID_BLOCK);
  return {
    records: [metadataRecord("ProducerIdsRecord", 0, { brokerId, brokerEpoch, nextProducerId })],
    reply: { throttleTimeMs: 0, errorCode: 0, producerIdStart, producerIdLen: PRODUCER_ID_BLOCK },
  };
}

/** UnregisterController (KIP-1312): removes a controller that is gone for good; its vote, if any, is not affected. */
export function unregisterController(
  { image, settings }: DecisionContext,
  { controllerId }: UnregisterControllerRequest,
): Decision<UnregisterControllerResponse> {
  const answer = (fault: Refusal): Decision<UnregisterControllerResponse> => ({
    records: [],
    reply: { throttleTimeMs: 0, ...fault },
  });
  if (controllerId === settings.nodeId) {
    return answer(refusal("INVALID_REQUEST", "Controller cannot unregister itself while it is active."));
  }
  if (metadataVersionOf(image) < METADATA_VERSION.controllersLeave) {
    const old = "The current MetadataVersion is too old to support controller unregistration.";
    return answer(refusal("UNSUPPORTED_VERSION", old));
  }
  if (!image.controllers.has(controllerId)) {
    const unknown = `Controller ID ${controllerId} is not currently registered.`;
    return answer(refusal("CONTROLLER_ID_NOT_REGISTERED", unknown));
  }
  const records = [metadataRecord("UnregisterControllerRecord", 0, { controllerId })];
  return { records, reply: { throttleTimeMs: 0, errorCode: 0, errorMessage: null } };
}

/** UnregisterBroker: removes a broker, also from the ISR of all partitions. */
export function unregisterBroker(
  context: DecisionContext,
  { brokerId }: UnregisterBrokerRequest,
): Decision<UnregisterBrokerResponse> {
  const broker = context.image.brokers.get(brokerId);
  if (broker === undefined) {
    const fault = refusal("BROKER_ID_NOT_REGISTERED", `Broker ID ${brokerId} is not currently registered`);
    return { records: [], reply: { throttleTimeMs: 0, ...fault } };
  }
  const { brokerEpoch } = broker;
  const gone = metadataRecord("UnregisterBrokerRecord", 0, { brokerId, brokerEpoch });
  const records = [...forgottenBroker(context, brokerId), gone];
  return { records, reply: { throttleTimeMs: 0, errorCode: 0, errorMessage: null } };
}
