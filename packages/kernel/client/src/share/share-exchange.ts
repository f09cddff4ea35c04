import { type BrokerId, ExponentialBackoff, joined, nearestNumber } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { partitionKey } from "../cluster/cluster-view.ts";
import { type LeaderHint, leaderHint } from "../cluster/leader-hint.ts";
import { retryBackoff } from "../cluster/retry-backoff.ts";
import { KafkaError } from "../error/kafka-error.ts";
import type { Outbox } from "../fetch/outbox.ts";
import type { Moment } from "../offsets/moment.ts";
import { faultOf } from "../offsets/partition-fault.ts";
import { AcquiredRecords, type AcquiredRun } from "./acquired-records.ts";
import type { ShareAcknowledgeAnswer, ShareEffect, ShareFetchAnswer } from "./share-effects.ts";
import type { ShareLedger } from "./share-ledger.ts";
import type { ShareFetchOptions } from "./share-options.ts";
import { acknowledgeDraft, fetchDraft, knowsRenewal, type Said } from "./share-requests.ts";
import { FINAL_EPOCH, placeKey, ShareSession } from "./share-session.ts";
import type { SharedPartition } from "./shared-partition.ts";

type PartitionAnswer = ShareFetchAnswer["responses"][number]["partitions"][number];

/** Request in flight. */
interface Asked {
  readonly ticket: number;
  /** The application's demand is served by this request. */
  readonly isFetch: boolean;
  readonly isFarewell: boolean;
  /** Records whose acknowledgements or renewals it carries. */
  readonly said: readonly AcquiredRecords[];
}

/** A broker that leads partitions of the member. */
interface ShareBroker {
  readonly id: BrokerId;
  session: ShareSession;
  asked: Asked | undefined;
  /** Partitions to fetch. */
  wanted: SharedPartition[];
  /** Some assigned partition is led by this broker. */
  isSource: boolean;
  failures: number;
  /** Monotonic time before which nothing is sent to the broker. */
  retryAt: number;
}

/** Parts of an exchange that are its fetcher's, too. */
export interface ShareParts {
  readonly options: ShareFetchOptions;
  readonly outbox: Outbox<ShareEffect>;
  readonly ledger: ShareLedger;
  /** Assigned partitions by `partitionKey`. */
  readonly assigned: ReadonlyMap<string, SharedPartition>;
  /** Tells the application of an error. */
  readonly raise: (error: KafkaError) => void;
}

const PLAIN = { isFetch: false, isFarewell: false } as const;
/** Part of the time of a lock for which a fetch may hold up renewals. */
const WAIT_OF_LOCK = 8;

/**
 * Requests to brokers, one in flight for each (`ShareConsumeRequestManager`): fetches, which carry acknowledgements along,
 * and acknowledgements alone if nothing is to be fetched.
 */
export class ShareExchange {
  readonly #options: ShareFetchOptions;
  readonly #outbox: Outbox<ShareEffect>;
  readonly #ledger: ShareLedger;
  readonly #assigned: ReadonlyMap<string, SharedPartition>;
  readonly #raise: (error: KafkaError) => void;
  readonly #backoff: ExponentialBackoff;
  readonly #brokers = new Map<BrokerId, ShareBroker>();
  readonly #inFlight = new Map<number, ShareBroker>();
  /** Broker that records are fetched from if only one is asked at a time. */
  #turn: BrokerId | undefined;
  #isClosing = false;
  /** Number of records to fetch; 0: none. */
  demand = 0;
  /** Holds back fetches, whatever the demand. */
  isHeldBack = false;
  /** Brokers take renewals, as far as the client knows. */
  canRenew = true;
  /** Time for which brokers lock records, as the last answer says; Infinity: no answer yet. */
  lockMs = Infinity;

  constructor({ options, outbox, ledger, assigned, raise }: ShareParts) {
    this.#options = options;
    this.#outbox = outbox;
    this.#ledger = ledger;
    this.#assigned = assigned;
    this.#raise = raise;
    this.#backoff = new ExponentialBackoff(retryBackoff(options));
  }

  /** All sessions are closed, after `close`. */
  get isClosed(): boolean {
    return this.#isClosing && this.#brokers.size === 0;
  }

  /** Closes all sessions, with the acknowledgements that are left. Nothing more is fetched. */
  close(): void {
    this.#isClosing = true;
    this.demand = 0;
  }

  /** Sends what is due. Returns the time at which to look again without an input. */
  flush(moment: Moment): number {
    let again = Infinity;
    for (const broker of this.#brokers.values()) {
      broker.wanted = [];
      broker.isSource = false;
    }
    for (const partition of this.#assigned.values()) again = Math.min(again, this.#consider(partition, moment));
    for (const broker of [...this.#brokers.values()]) again = Math.min(again, this.#serve(broker, moment));
    return again;
  }

  #consider(partition: SharedPartition, moment: Moment): number {
    if (this.#isClosing) return Infinity;
    if (!partition.isLed) {
      if (this.demand === 0) return Infinity;
      this.#outbox.askMetadata(moment);
      return this.#outbox.askAgainAt;
    }
    const broker = this.#broker(partition.leaderId);
    broker.isSource = true;
    if (partition.retryAt > moment.now) return this.demand === 0 ? Infinity : partition.retryAt;
    broker.wanted.push(partition);
    return Infinity;
  }

  #broker(id: BrokerId): ShareBroker {
    let broker = this.#brokers.get(id);
    if (broker === undefined) {
      const rest = { asked: undefined, wanted: [], isSource: false, failures: 0, retryAt: -Infinity };
      this.#brokers.set(id, (broker = { id, session: new ShareSession(), ...rest }));
    }
    return broker;
  }

  /** Sends the next request to a broker, if there is one. Returns the time at which to look again. */
  #serve(broker: ShareBroker, moment: Moment): number {
    const { id, session } = broker;
    const { now } = moment;
    if (broker.asked !== undefined) return Infinity;
    const held = this.#ledger.of(id);
    if (this.#isClosing || (!broker.isSource && held.length === 0)) {
      this.#sayFarewell(broker, held);
      return Infinity;
    }
    if (broker.retryAt > now) return broker.retryAt;
    if (!session.isOpen) {
      if (this.#mayFetch(broker)) this.#fetch(broker, []);
      return Infinity;
    }
    const renewing = this.canRenew ? held.filter(acquired => acquired.beginRenewal(now)) : [];
    if (renewing.length > 0) {
      this.#renew(broker, renewing);
      return Infinity;
    }
    const pending = held.filter(acquired => !acquired.pending.isEmpty);
    const due = pending.filter(({ retryAt }) => retryAt <= now);
    if (this.#mayFetch(broker)) this.#fetch(broker, due);
    else if (due.length > 0) this.#acknowledge(broker, due);
    else return pending.reduce((least, { retryAt }) => Math.min(least, retryAt), Infinity);
    return Infinity;
  }

  #mayFetch({ id, wanted }: ShareBroker): boolean {
    if (this.demand === 0 || this.isHeldBack || wanted.length === 0) return false;
    return this.#options.acquireMode !== "record_limit" || this.#turn === undefined || this.#turn === id;
  }

  #fetch(broker: ShareBroker, said: readonly AcquiredRecords[]): void {
    const { session } = broker;
    if (this.#options.acquireMode === "record_limit") {
      this.#turn = broker.id;
      // The next fetch is another broker's turn.
      this.#brokers.delete(broker.id);
      this.#brokers.set(broker.id, broker);
    }
    for (const acquired of said) acquired.sendPending();
    const ticket = this.#ask(broker, said, { isFetch: true, isFarewell: false });
    const count = Math.min(this.demand, this.#options.maxPollRecords);
    const changes = session.next(broker.wanted);
    const waitMs = Math.min(this.#options.maxWaitMs, Math.floor(this.lockMs / WAIT_OF_LOCK));
    const request = fetchDraft(this.#options, changes, saidOf(said), {
      count,
      waitMs,
      has: place => session.has(place),
    });
    this.#outbox.send({ type: "shareFetch", ticket, brokerId: broker.id, request });
  }

  #acknowledge(broker: ShareBroker, said: readonly AcquiredRecords[]): void {
    for (const acquired of said) acquired.sendPending();
    const ticket = this.#ask(broker, said, PLAIN);
    const request = acknowledgeDraft(this.#options, broker.session.epoch, saidOf(said), false);
    this.#outbox.send({ type: "shareAcknowledge", ticket, brokerId: broker.id, request });
  }

  /** Renewals go alone: if a broker refuses one, it takes none of the partition's acknowledgements. */
  #renew(broker: ShareBroker, said: readonly AcquiredRecords[]): void {
    const ticket = this.#ask(broker, said, PLAIN);
    const sets = said.flatMap(({ place, renewal }) => (renewal === undefined ? [] : [{ place, set: renewal.set }]));
    const request = acknowledgeDraft(this.#options, broker.session.epoch, sets, true);
    this.#outbox.send({ type: "shareAcknowledge", ticket, brokerId: broker.id, request });
  }

  /** Closes the session; the broker makes what is not acknowledged available to others. */
  #sayFarewell(broker: ShareBroker, held: readonly AcquiredRecords[]): void {
    if (!broker.session.isOpen) {
      this.#forget(broker, closedError());
      return;
    }
    const said = held.filter(({ pending }) => !pending.isEmpty);
    for (const acquired of said) acquired.sendPending();
    const ticket = this.#ask(broker, said, { isFetch: false, isFarewell: true });
    const request = acknowledgeDraft(this.#options, FINAL_EPOCH, saidOf(said), false);
    this.#outbox.send({ type: "shareAcknowledge", ticket, brokerId: broker.id, request });
  }

  #forget(broker: ShareBroker, error: KafkaError): void {
    for (const acquired of this.#ledger.of(broker.id)) this.#ledger.lose(acquired, error);
    this.#brokers.delete(broker.id);
  }

  /** Notes a request in flight, which carries acknowledgements or renewals of `said`. */
  #ask(broker: ShareBroker, said: readonly AcquiredRecords[], kind: Pick<Asked, "isFetch" | "isFarewell">): number {
    const ticket = this.#outbox.ticket();
    broker.asked = { ticket, said, ...kind };
    this.#inFlight.set(ticket, broker);
    return ticket;
  }

  // Answers

  #settled(ticket: number): { readonly broker: ShareBroker; readonly asked: Asked } | undefined {
    const broker = this.#inFlight.get(ticket);
    const asked = broker?.asked;
    if (broker === undefined || asked === undefined) return undefined;
    this.#inFlight.delete(ticket);
    broker.asked = undefined;
    if (asked.isFetch && this.#turn === broker.id) this.#turn = undefined;
    return { broker, asked };
  }

  /** Answer to a `shareFetch`. */
  fetched(ticket: number, answer: ShareFetchAnswer, moment: Moment): void {
    const settled = this.#settled(ticket);
    if (settled === undefined) return;
    const { broker, asked } = settled;
    if (answer.throttleTimeMs > 0) broker.retryAt = moment.now + answer.throttleTimeMs;
    if (!this.#isAccepted(broker, asked, answer, moment)) return;
    const errors = new Map<string, number>();
    for (const { topicId, partitions } of answer.responses) {
      for (const one of partitions) errors.set(placeKey(topicId, one.partitionIndex), one.acknowledgeErrorCode);
    }
    this.#endAcknowledgements(asked, errors, moment);
    this.#takeHints(broker, answer);
    if (answer.acquisitionLockTimeoutMs > 0) this.lockMs = answer.acquisitionLockTimeoutMs;
    for (const { topicId, partitions } of answer.responses) {
      for (const one of partitions) {
        const place = broker.session.place(topicId, one.partitionIndex);
        if (place === undefined) continue;
        const partition = this.#assigned.get(partitionKey(place.topic, place.partition));
        if (one.errorCode !== 0) this.#fault(broker, place, one, moment);
        else if (partition !== undefined) partition.failures = 0;
        if (one.acquiredRecords.length > 0 && !this.#isClosing) this.#acquire(broker, place, one, moment);
      }
    }
  }

  /** Answer to a `shareAcknowledge` of a version. */
  acknowledged(ticket: number, answer: ShareAcknowledgeAnswer, version: number, moment: Moment): void {
    const settled = this.#settled(ticket);
    if (settled === undefined) return;
    const { broker, asked } = settled;
    if (answer.throttleTimeMs > 0) broker.retryAt = moment.now + answer.throttleTimeMs;
    const errors = new Map<string, number>();
    for (const { topicId, partitions } of answer.responses) {
      for (const one of partitions) errors.set(placeKey(topicId, one.partitionIndex), one.errorCode);
    }
    if (asked.isFarewell) {
      if (answer.errorCode === 0) this.#endAcknowledgements(asked, errors, moment);
      else this.#failAll(asked, KafkaError.of(answer.errorCode, `closing the share session with broker ${broker.id}`));
      this.#forget(broker, closedError());
      return;
    }
    if (!this.#isAccepted(broker, asked, answer, moment)) return;
    if (answer.acquisitionLockTimeoutMs > 0) this.lockMs = answer.acquisitionLockTimeoutMs;
    if (!knowsRenewal(version) && asked.said.some(({ renewal }) => renewal !== undefined)) {
      this.canRenew = false;
      this.#endRenewals(asked, () => Errors.UNSUPPORTED_VERSION.code, moment);
    }
    this.#endAcknowledgements(asked, errors, moment);
  }

  /** No answer: the broker ends the session along with its connection, and with it all locks. */
  failed(ticket: number, error: KafkaError, moment: Moment): void {
    const settled = this.#settled(ticket);
    if (settled === undefined) return;
    const { broker, asked } = settled;
    this.#failAll(asked, error);
    broker.session.failed();
    for (const acquired of this.#ledger.of(broker.id)) this.#ledger.lose(acquired, error);
    if (asked.isFarewell) {
      this.#brokers.delete(broker.id);
      return;
    }
    this.#backOff(broker, moment);
    this.#outbox.askMetadata(moment);
    if (!error.retriable) this.#raise(error);
  }

  /** Takes the error of a whole answer. False if there is one. */
  #isAccepted(
    broker: ShareBroker,
    asked: Asked,
    { errorCode, errorMessage }: { readonly errorCode: number; readonly errorMessage: string | null },
    moment: Moment,
  ): boolean {
    const result = broker.session.answered(errorCode);
    if (result === "accepted") {
      broker.failures = 0;
      return true;
    }
    const error = KafkaError.of(errorCode, `share session with broker ${broker.id}`, errorMessage);
    if (result === "lost") {
      this.#failAll(asked, error);
      for (const acquired of this.#ledger.of(broker.id)) this.#ledger.lose(acquired, error);
      // A lost session is normal, so the first request for a new one does not wait.
      if (broker.failures > 0 || errorCode === Errors.SHARE_SESSION_LIMIT_REACHED.code) this.#backOff(broker, moment);
      else broker.failures = 1;
      return false;
    }
    this.#backOff(broker, moment);
    const retryAt = error.retriable ? broker.retryAt : undefined;
    for (const acquired of asked.said) {
      this.#ledger.answered(acquired, error, retryAt);
      acquired.renewed(moment.now, undefined);
    }
    if (error.retriable) this.#outbox.askMetadata(moment);
    else this.#raise(error);
    return false;
  }

  #failAll({ said }: Asked, error: KafkaError): void {
    for (const acquired of said) {
      this.#ledger.answered(acquired, error, undefined);
      acquired.renewed(0, undefined);
    }
  }

  /** Ends acknowledgements and renewals by the error codes of their partitions. */
  #endAcknowledgements(asked: Asked, errors: ReadonlyMap<string, number>, moment: Moment): void {
    const codeOf = ({ place }: AcquiredRecords): number | undefined =>
      errors.get(placeKey(place.topicId, place.partition));
    for (const acquired of asked.said) {
      if (acquired.asked === undefined) continue;
      const { topic, partition } = acquired;
      const what = `acknowledging records of ${topic}-${partition}`;
      const code = codeOf(acquired);
      if (code === undefined) {
        const error = new KafkaError("PROTOCOL_VIOLATION", `${what}: the broker's answer does not mention it`);
        this.#ledger.answered(acquired, error, undefined);
      } else if (code === 0) this.#ledger.answered(acquired, undefined, undefined);
      else this.#refused(acquired, KafkaError.of(code, what), moment);
    }
    this.#endRenewals(asked, codeOf, moment);
  }

  #refused(acquired: AcquiredRecords, error: KafkaError, moment: Moment): void {
    const isGone = isMoved(error.code ?? 0);
    const retryAt = moment.now + this.#backoff.delayMs(acquired.failures, moment.chance);
    this.#ledger.answered(acquired, error, error.retriable && !isGone ? retryAt : undefined);
    if (!isGone) return;
    // Another leader knows of no locks.
    this.#ledger.lose(acquired, error);
    this.#outbox.askMetadata(moment);
  }

  #endRenewals(asked: Asked, codeOf: (acquired: AcquiredRecords) => number | undefined, { now }: Moment): void {
    for (const acquired of asked.said) {
      if (acquired.renewal === undefined) continue;
      const { topic, partition, renewal } = acquired;
      const code = codeOf(acquired) ?? Errors.UNKNOWN_SERVER_ERROR.code;
      acquired.renewed(now, code === 0 ? now + this.lockMs : undefined);
      if (code === 0) continue;
      const error = KafkaError.of(code, `renewing locks of records of ${topic}-${partition}`);
      this.#outbox.send({ type: "acknowledged", topic, partition, count: renewal.set.size, error });
      if (isMoved(code)) this.#ledger.lose(acquired, error);
    }
  }

  #acquire(broker: ShareBroker, place: AcquiredRecords["place"], answer: PartitionAnswer, { now }: Moment): void {
    const { checkCrcs, tools } = this.#options;
    const unreadable = (error: KafkaError): void => this.#outbox.send({ type: "unreadable", error });
    const runs = runsOf(answer);
    if (runs === undefined) {
      const what = `the broker has acquired records of ${place.topic}-${place.partition} that are not in order`;
      unreadable(new KafkaError("PROTOCOL_VIOLATION", what));
      return;
    }
    const bytes = joined(answer.records ?? []);
    const acquisition = { place, brokerId: broker.id, runs, bytes, checkCrcs, tools, unreadable };
    this.#ledger.add(new AcquiredRecords(acquisition, now, this.lockMs));
    this.demand = 0;
  }

  #fault(
    broker: ShareBroker,
    place: AcquiredRecords["place"],
    { errorCode, errorMessage }: PartitionAnswer,
    moment: Moment,
  ): void {
    const partition = this.#assigned.get(partitionKey(place.topic, place.partition));
    const error = KafkaError.of(errorCode, `fetching ${place.topic}-${place.partition}`, errorMessage);
    if (isMoved(errorCode)) {
      for (const acquired of this.#ledger.of(broker.id)) {
        const { topicId, partition: index } = acquired.place;
        if (topicId === place.topicId && index === place.partition) this.#ledger.lose(acquired, error);
      }
    }
    if (partition === undefined) return;
    partition.backOff(moment, this.#backoff);
    const fault = faultOf(errorCode);
    if (fault === "raise") this.#raise(error);
    else if (fault === "refresh") this.#outbox.askMetadata(moment);
  }

  #backOff(broker: ShareBroker, { now, chance }: Moment): void {
    broker.retryAt = Math.max(broker.retryAt, now + this.#backoff.delayMs(broker.failures++, chance));
  }

  /** Passes on the leaders that a broker names instead of itself (KIP-951). */
  #takeHints({ session }: ShareBroker, { responses, nodeEndpoints }: ShareFetchAnswer): void {
    const leaders: LeaderHint[] = [];
    for (const { topicId, partitions } of responses) {
      for (const { partitionIndex, errorCode, currentLeader } of partitions) {
        const place = errorCode === 0 ? undefined : session.place(topicId, partitionIndex);
        const hint = place === undefined ? undefined : leaderHint(place, errorCode, currentLeader);
        if (hint !== undefined) leaders.push(hint);
      }
    }
    if (leaders.length > 0) this.#outbox.send({ type: "leaders", leaders, nodes: nodeEndpoints });
  }
}

function saidOf(said: readonly AcquiredRecords[]): Said[] {
  return said.flatMap(({ place, asked }) => (asked === undefined ? [] : [{ place, set: asked }]));
}

function closedError(): KafkaError {
  return new KafkaError("CLOSED", "the share session is closed");
}

/** Errors after which this broker's locks are of no use. */
const MOVES: ReadonlySet<number> = new Set([
  Errors.NOT_LEADER_OR_FOLLOWER.code,
  Errors.FENCED_LEADER_EPOCH.code,
  Errors.UNKNOWN_TOPIC_OR_PARTITION.code,
  Errors.UNKNOWN_TOPIC_ID.code,
]);

function isMoved(code: number): boolean {
  return MOVES.has(code);
}

/** Acquired offsets; undefined if they are not in order. */
function runsOf({ acquiredRecords }: PartitionAnswer): AcquiredRun[] | undefined {
  let end = -1;
  const runs: AcquiredRun[] = [];
  for (const { firstOffset, lastOffset, deliveryCount } of acquiredRecords) {
    const run = { firstOffset: nearestNumber(firstOffset), lastOffset: nearestNumber(lastOffset), deliveryCount };
    if (run.firstOffset <= end || run.lastOffset < run.firstOffset) return undefined;
    end = run.lastOffset;
    runs.push(run);
  }
  return runs;
}
