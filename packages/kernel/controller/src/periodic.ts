import type { BrokerId } from "@samsa/base";
import type { MetadataRecord } from "@samsa/protocol";
import type { ControllerSettings, Decision, DecisionContext } from "./decision.ts";
import { fencedBroker } from "./heartbeat.ts";
import { electionOf, partitionAt } from "./leadership.ts";
import { partitionChange } from "./partition-change.ts";
import type { Place } from "./broker-partitions.ts";

/** Decision that no request asks for. The name is that of Kafka's `PeriodicTask`. */
export interface PeriodicDecision extends Decision<undefined> {
  readonly task: "maybeFenceStaleBroker" | "electPreferred" | "electUnclean";
  /** Broker that is fenced; undefined for elections. */
  readonly brokerId: BrokerId | undefined;
}

/** `MAX_ELECTIONS_PER_IMBALANCE` */
const MOST_ELECTIONS = 1000;
/** Delay of the next elections if there are more than a decision may have (`DEFAULT_IMMEDIATE_PERIOD_NS`). */
const SHORT_DELAY_MS = 10;

/** Work of the active controller by time (`PeriodicTaskControlManager`). */
export class PeriodicTasks {
  readonly #settings: ControllerSettings;
  #nextPreferred: number;
  #nextUnclean: number;

  /** `now` is the monotonic time in milliseconds at which the controller becomes active. */
  constructor(settings: ControllerSettings, now: number) {
    this.#settings = settings;
    this.#nextPreferred = now + (settings.preferredElectionIntervalMs ?? Infinity);
    this.#nextUnclean = now + settings.uncleanElectionIntervalMs;
  }

  /** Time of the next elections. */
  get next(): number {
    return Math.min(this.#nextPreferred, this.#nextUnclean);
  }

  /** Next decision that is due; undefined if there is none. */
  decide(context: DecisionContext): PeriodicDecision | undefined {
    return fencing(context) ?? this.#preferred(context) ?? this.#unclean(context);
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
