import type { BrokerId } from "@samsa/base";
import type { MetadataImage } from "@samsa/metadata";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import type { ControllerSettings, Decision, DecisionContext } from "./decision/decision.ts";
import { fencedBroker } from "./heartbeat.ts";
import { electionOf, partitionAt } from "./leadership.ts";
import { partitionChange } from "./partition-change.ts";
import { overTokens } from "./security/delegation-tokens.ts";
import type { Place } from "./decision/broker-partitions.ts";

/** Decision that no request asks for. The name is that of Kafka's `PeriodicTask`. */
export interface PeriodicDecision extends Decision<undefined> {
  readonly task:
    | "maybeFenceStaleBroker"
    | "electPreferred"
    | "electUnclean"
    | "expireDelegationTokens"
    | "writeNoOpRecord";
  /** Broker that is fenced; undefined for other tasks. */
  readonly brokerId: BrokerId | undefined;
}

/** `MAX_ELECTIONS_PER_IMBALANCE` */
const MOST_ELECTIONS = 1000;
/** Most tokens that one decision removes (`MAX_RECORDS_PER_EXPIRATION`). */
const MOST_TOKENS = 1000;
/** Delay of the next elections if there are more than a decision may have (`DEFAULT_IMMEDIATE_PERIOD_NS`). */
const SHORT_DELAY_MS = 10;

/** Work of the active controller by time (`PeriodicTaskControlManager`). */
export class PeriodicTasks {
  readonly #settings: ControllerSettings;
  #nextPreferred: number;
  /** Time of the last decision with records. */
  #lastRecord: number;
  #nextUnclean: number;
  #nextTokens: number;

  /** `now` is the monotonic time in milliseconds at which the controller becomes active. */
  constructor(settings: ControllerSettings, now: number) {
    this.#settings = settings;
    this.#lastRecord = now;
    this.#nextPreferred = now + (settings.preferredElectionIntervalMs ?? Infinity);
    this.#nextUnclean = now + settings.uncleanElectionIntervalMs;
    this.#nextTokens = now + (settings.tokens?.checkMs ?? Infinity);
  }

  /** Time of the next elections, or of a record that only shows that this controller is active (KIP-835). */
  next(image: MetadataImage): number {
    return Math.min(this.#nextPreferred, this.#nextUnclean, this.#nextTokens, this.#nextNoOp(image));
  }

  /** Takes note of a decision with records. */
  decided(now: number): void {
    this.#lastRecord = now;
  }

  /** Next decision that is due; undefined if there is none. */
  decide(context: DecisionContext): PeriodicDecision | undefined {
    return (
      fencing(context) ??
      this.#preferred(context) ??
      this.#unclean(context) ??
      this.#tokens(context) ??
      this.#noOp(context)
    );
  }

  /** In contrast to Kafka, a controller without other nodes writes no empty records: nobody would miss it. */
  #nextNoOp({ brokers, controllers }: MetadataImage): number {
    const { maxIdleIntervalMs, nodeId, quorumNodes } = this.#settings;
    const isOther = (nodes: { readonly size: number; has(id: BrokerId): boolean }): boolean =>
      nodes.size > (nodes.has(nodeId) ? 1 : 0);
    const isWatched = isOther(brokers) || isOther(controllers) || quorumNodes().length > 1;
    return maxIdleIntervalMs > 0 && isWatched ? this.#lastRecord + maxIdleIntervalMs : Infinity;
  }

  #noOp({ image, draw }: DecisionContext): PeriodicDecision | undefined {
    if (draw.now < this.#nextNoOp(image)) return undefined;
    return decision("writeNoOpRecord", [metadataRecord("NoOpRecord", 0, {})]);
  }

  #preferred(context: DecisionContext): PeriodicDecision | undefined {
    const { now } = context.draw;
    if (now < this.#nextPreferred) return undefined;
    const records = elections(context.partitions.imbalanced(), place => {
      const { topic } = partitionAt(context, place);
      return partitionChange(context, topic, place.partitionId, { election: "preferred" });
    });
    this.#nextPreferred = now + delayAfter(records, this.#settings.preferredElectionIntervalMs ?? Infinity);
    return decision("electPreferred", records);
  }

  #tokens({ image, draw }: DecisionContext): PeriodicDecision | undefined {
    if (draw.now < this.#nextTokens) return undefined;
    const records = overTokens(image, draw.time, MOST_TOKENS);
    const interval = this.#settings.tokens?.checkMs ?? Infinity;
    this.#nextTokens = draw.now + (records.length === MOST_TOKENS ? SHORT_DELAY_MS : interval);
    return decision("expireDelegationTokens", records);
  }

  #unclean(context: DecisionContext): PeriodicDecision | undefined {
    const { now } = context.draw;
    if (now < this.#nextUnclean) return undefined;
    const records = elections(context.partitions.leaderless(), place => {
      const { topic } = partitionAt(context, place);
      if (electionOf(context, topic) !== "unclean") return undefined;
      return partitionChange(context, topic, place.partitionId, { election: "unclean" });
    });
    this.#nextUnclean = now + delayAfter(records, this.#settings.uncleanElectionIntervalMs);
    return decision("electUnclean", records);
  }
}

function decision(task: PeriodicDecision["task"], records: readonly MetadataRecord[]): PeriodicDecision | undefined {
  return records.length === 0 ? undefined : { task, brokerId: undefined, records, reply: undefined };
}

function elections(
  places: readonly Place[],
  elect: (place: Place) => MetadataRecord | undefined,
): readonly MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const place of places) {
    if (records.length === MOST_ELECTIONS) break;
    const record = elect(place);
    if (record !== undefined) records.push(record);
  }
  return records;
}

function delayAfter(records: readonly MetadataRecord[], interval: number): number {
  return records.length === MOST_ELECTIONS ? SHORT_DELAY_MS : interval;
}

/** Fences one broker whose session is over. The next one is fenced with this one's leaders moved. */
function fencing(context: DecisionContext): PeriodicDecision | undefined {
  const { image, sessions, draw } = context;
  for (;;) {
    const expired = sessions.expire(draw.now);
    if (expired === undefined) return undefined;
    const broker = image.brokers.get(expired.brokerId);
    if (broker === undefined || broker.brokerEpoch !== expired.epoch || broker.fenced) continue;
    const records = fencedBroker(context, broker);
    return { task: "maybeFenceStaleBroker", brokerId: broker.brokerId, records, reply: undefined };
  }
}
