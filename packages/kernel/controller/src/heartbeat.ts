import { nearestNumber, type Uuid } from "@samsa/base";
import {
  type BrokerImage,
  METADATA_VERSION,
  metadataVersionOf,
  recordVersions,
  replicaDirectory,
} from "@samsa/metadata";
import {
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
  type BrokerRegistrationChangeRecord,
  Errors,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import type { Decision, DecisionContext } from "./decision/decision.ts";
import { partitionAt, returnedBroker, withoutBroker } from "./leadership.ts";

/** State of a broker (`BrokerControlState`). */
type BrokerState = "fenced" | "unfenced" | "controlled shutdown" | "shutdown now";

/**
 * BrokerHeartbeat: extends the broker's session. It unfences a broker that has read the log up to its own registration,
 * fences one on request, and moves leaders away from one that wants to stop, which may do so once it leads nothing and
 * all active brokers know (`ReplicationControlManager.processBrokerHeartbeat`). STALE_BROKER_EPOCH for any other
 * incarnation than the registered one.
 */
export function brokerHeartbeat(
  context: DecisionContext,
  request: BrokerHeartbeatRequest,
): Decision<BrokerHeartbeatResponse> {
  const { image, sessions, draw } = context;
  const { brokerId, brokerEpoch } = request;
  const broker = image.brokers.get(brokerId);
  if (broker === undefined || broker.brokerEpoch !== brokerEpoch) {
    const { code: errorCode } = Errors.STALE_BROKER_EPOCH;
    const reply = { throttleTimeMs: 0, errorCode, isCaughtUp: false, isFenced: true, shouldShutDown: false };
    return { records: [], reply };
  }
  const current = stateOf(context, broker);
  const failed = failedDirectories(context, broker, request);
  const next = nextState(context, broker, request, failed);
  const records = current === next ? [] : transition(context, broker, next);
  sessions.reported(broker, draw.now, nearestNumber(request.currentMetadataOffset));
  records.push(...directoryChanges(context, broker, request, { failed, isLeaving: records.length > 0 }));
  if (next === "controlled shutdown") sessions.shuttingDown(broker, draw.nextOffset + records.length - 1);
  if (next === "shutdown now") sessions.ended(broker);
  return {
    records,
    reply: {
      throttleTimeMs: 0,
      errorCode: 0,
      isCaughtUp: request.currentMetadataOffset >= sessions.of(broker).registrationOffset,
      isFenced: next === "fenced" || next === "shutdown now",
      shouldShutDown: next === "shutdown now",
    },
  };
}

function stateOf({ sessions }: DecisionContext, broker: BrokerImage): BrokerState {
  if (broker.fenced) return "fenced";
  // A controller that takes over does not know the offset: the shutdown begins again with the next heartbeat.
  const isShuttingDown = broker.inControlledShutdown && sessions.of(broker).shutdownOffset >= 0;
  return isShuttingDown ? "controlled shutdown" : "unfenced";
}

/** State after the heartbeat (`BrokerHeartbeatManager.calculateNextBrokerState`). */
function nextState(
  context: DecisionContext,
  broker: BrokerImage,
  { wantFence, wantShutDown, currentMetadataOffset }: BrokerHeartbeatRequest,
  failed: ReadonlySet<Uuid>,
): BrokerState {
  const { image, sessions } = context;
  const { shutdownOffset, registrationOffset } = sessions.of(broker);
  switch (stateOf(context, broker)) {
    case "fenced":
      if (wantShutDown) return "shutdown now";
      if (wantFence || currentMetadataOffset < registrationOffset) return "fenced";
      // The registration has to lose the failed directories first, or the broker could lead a replica in one of them.
      return failed.size > 0 ? "fenced" : "unfenced";
    case "unfenced":
      if (wantFence) return wantShutDown ? "shutdown now" : "fenced";
      if (!wantShutDown) return "unfenced";
      return leads(context, broker) ? "controlled shutdown" : "shutdown now";
    default:
      if (leads(context, broker)) return "controlled shutdown";
      return shutdownOffset <= sessions.lowestActiveOffset(image) ? "shutdown now" : "controlled shutdown";
  }
}

/** True if the broker leads a partition. A leader is in sync, and one that stops leaves every ISR that it can. */
function leads(context: DecisionContext, { brokerId }: BrokerImage): boolean {
  return context.partitions.inSync(brokerId).some(place => partitionAt(context, place).partition.leader === brokerId);
}

/** Records of a new state. The registration changes last when the broker leaves, first when it returns. */
function transition(context: DecisionContext, broker: BrokerImage, next: BrokerState): MetadataRecord[] {
  const { brokerId } = broker;
  switch (next) {
    case "unfenced":
      return [registrationChange(context, broker, { fenced: -1 }), ...returnedBroker(context, brokerId)];
    case "controlled shutdown": {
      const change = registrationChange(context, broker, { inControlledShutdown: 1 });
      return [...(broker.inControlledShutdown ? [] : [change]), ...withoutBroker(context, brokerId)];
    }
    default:
      return broker.fenced ? [] : fencedBroker(context, broker);
  }
}

/** Records that fence a broker: other brokers lead its partitions (`handleBrokerFenced`). */
export function fencedBroker(context: DecisionContext, broker: BrokerImage): MetadataRecord[] {
  return [...withoutBroker(context, broker.brokerId), registrationChange(context, broker, { fenced: 1 })];
}

function registrationChange(
  { image }: DecisionContext,
  { brokerId, brokerEpoch }: BrokerImage,
  change: Partial<BrokerRegistrationChangeRecord>,
): MetadataRecord {
  const { brokerRegistrationChange } = recordVersions(metadataVersionOf(image));
  const body = { brokerId, brokerEpoch, ...change };
  return metadataRecord("BrokerRegistrationChangeRecord", brokerRegistrationChange, body);
}

/** Directories of the registration that the broker reports as offline. */
function failedDirectories(
  { image }: DecisionContext,
  { logDirs }: BrokerImage,
  { offlineLogDirs }: BrokerHeartbeatRequest,
): ReadonlySet<Uuid> {
  if (metadataVersionOf(image) < METADATA_VERSION.directories) return new Set();
  const offline = new Set(offlineLogDirs);
  return new Set(logDirs.filter(id => offline.has(id)));
}

/**
 * Records for the log directories in a heartbeat: replicas in failed directories leave the ISR, unless the broker leaves
 * it everywhere, and cordoned directories get no new replicas (KIP-858, KIP-1066).
 */
function directoryChanges(
  context: DecisionContext,
  broker: BrokerImage,
  { cordonedLogDirs }: BrokerHeartbeatRequest,
  { failed, isLeaving }: { readonly failed: ReadonlySet<Uuid>; readonly isLeaving: boolean },
): MetadataRecord[] {
  const { brokerId } = broker;
  const records: MetadataRecord[] = [];
  if (failed.size > 0) {
    const lost = isLeaving
      ? []
      : withoutBroker(context, brokerId, partition => failed.has(replicaDirectory(partition, brokerId)));
    const logDirs = broker.logDirs.filter(id => !failed.has(id));
    records.push(...lost, registrationChange(context, broker, { logDirs }));
  }
  const version = metadataVersionOf(context.image);
  // null: the broker does not know its cordoned directories yet.
  if (cordonedLogDirs === null || version < METADATA_VERSION.cordonedDirectories) return records;
  const known = new Set(broker.cordonedLogDirs);
  const same = broker.cordonedLogDirs !== null && known.size === new Set([...known, ...cordonedLogDirs]).size;
  if (!same || known.size !== new Set(cordonedLogDirs).size) {
    records.push(registrationChange(context, broker, { cordonedLogDirs }));
  }
  return records;
}
