import { isReservedDirectory } from "@samsa/base";
import {
  type BrokerImage,
  KRAFT_FEATURE,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  brokerRecord,
  metadataVersionOf,
} from "@samsa/metadata";
import {
  type AllocateProducerIdsRequest,
  type AllocateProducerIdsResponse,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
  type ControllerRegistrationRequest,
  type ControllerRegistrationResponse,
  Errors,
  type ErrorName,
  type MetadataRecord,
  metadataRecord,
  type UnregisterBrokerRequest,
  type UnregisterBrokerResponse,
  type UnregisterControllerRequest,
  type UnregisterControllerResponse,
} from "@samsa/protocol";
import { type Decision, type DecisionContext, type Refusal, refusal } from "./decision/decision.ts";
import { crashedBroker, forgottenBroker, withoutBroker } from "./leadership.ts";

const PRODUCER_ID_BLOCK = 1000;
const LAST_PRODUCER_ID = 2n ** 63n - 1n;

/**
 * BrokerRegistration (`ClusterControlManager.registerBroker`). A new incarnation gets the offset of its record as epoch
 * and starts fenced, and other brokers lead its predecessor's partitions; the same incarnation only updates its
 * registration.
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
  // A broker that was unregistered is still among the eligible replicas, and nobody knows how it ended.
  const clean = existing !== undefined && previousBrokerEpoch === existing.brokerEpoch;
  return clean ? withoutBroker(context, brokerId) : crashedBroker(context, brokerId);
}

function registrationFault(context: DecisionContext, request: BrokerRegistrationRequest): ErrorName | undefined {
  const { image, settings, sessions, draw } = context;
  if (request.clusterId !== settings.clusterId) return "INCONSISTENT_CLUSTER_ID";
  const existing = image.brokers.get(request.brokerId);
  if (existing !== undefined && existing.incarnationId !== request.incarnationId) {
    if (sessions.hasValidSession(existing, draw.now)) return "DUPLICATE_BROKER_REGISTRATION";
  }
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
  return featuresFault(context, request.features);
}

/** Error of a broker that does not support a finalised level; a feature that is not finalised is at level 0. */
function featuresFault(
  { image, settings }: DecisionContext,
  features: BrokerRegistrationRequest["features"],
): ErrorName | undefined {
  const finalised = new Map(image.features);
  finalised.set(METADATA_VERSION_FEATURE, metadataVersionOf(image));
  finalised.set(KRAFT_FEATURE.name, Math.max(0, settings.kraftVersion()));
  const told = new Set<string>();
  for (const { name, minSupportedVersion, maxSupportedVersion } of features) {
    const level = finalised.get(name) ?? 0;
    if (level < minSupportedVersion || level > maxSupportedVersion) return "UNSUPPORTED_VERSION";
    told.add(name);
  }
  if (!told.has(METADATA_VERSION_FEATURE)) return "INVALID_REGISTRATION";
  const isUntold = [...finalised].some(([name, level]) => level !== 0 && !told.has(name));
  return isUntold ? "UNSUPPORTED_VERSION" : undefined;
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

/**
 * ControllerRegistration (KIP-919): notes endpoints and features of a controller, in place of those of its former
 * incarnation.
 */
export function registerController(
  { image }: DecisionContext,
  request: ControllerRegistrationRequest,
): Decision<ControllerRegistrationResponse> {
  if (metadataVersionOf(image) < METADATA_VERSION.controllersRegister) {
    const old = "The current MetadataVersion is too old to support controller registrations.";
    return { records: [], reply: { throttleTimeMs: 0, ...refusal("UNSUPPORTED_VERSION", old) } };
  }
  const { controllerId, incarnationId, listeners, features } = request;
  const body = { controllerId, incarnationId, zkMigrationReady: false, endPoints: listeners, features };
  const records = [metadataRecord("RegisterControllerRecord", 0, body)];
  return { records, reply: { throttleTimeMs: 0, errorCode: 0, errorMessage: null } };
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
