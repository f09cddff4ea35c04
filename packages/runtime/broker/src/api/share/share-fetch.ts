import type { BrokerId, PartitionIndex } from "@samsa/base";
import { Errors, type ProtocolError, type ShareFetchRequest } from "@samsa/protocol";
import { FINAL_EPOCH, INITIAL_EPOCH, nextEpoch } from "../../replica/fetch-sessions.ts";
import type { RequestTopics, TopicContext } from "../../request/request-topics.ts";
import {
  type AcknowledgedPartition,
  acknowledgeAll,
  byTopicId,
  hasCaller,
  highestType,
  isLeadership,
  NO_LEADER,
  leaderHints,
  refusedWhole,
} from "./acknowledgements.ts";
import { AcquireMode, PendingShareFetch, type ShareAnswer } from "./pending-share-fetch.ts";
import { type ShareSession, sharePartitionId } from "../../share/share-sessions.ts";
import type { Reply, ResponseOf, TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<
  BrokerParts,
  | "config"
  | "env"
  | "metrics"
  | "nodeId"
  | "nodes"
  | "pendingFetches"
  | "quotas"
  | "shares"
  | "tools"
  | "turn"
  | "unsent"
>;

/**
 * True if a request renews acquisition locks and fetches too. That is invalid: the locks could expire before a reply
 * (KIP-1222).
 */
function isRenewalThatFetches({ isRenewAck, maxBytes, minBytes, maxRecords, maxWaitMs }: ShareFetchRequest): boolean {
  return isRenewAck && [maxBytes, minBytes, maxRecords, maxWaitMs].some(value => value !== 0);
}

export const shareFetch: TopicHandler<"ShareFetch", Needs> = (parts, request, context, reply) => {
  const refuse = (error: ProtocolError): void => reply(refusedFetch(error));
  if (!hasCaller(request) || isRenewalThatFetches(request)) return refuse(Errors.INVALID_REQUEST);
  const { groupId, memberId, topics, forgottenTopicsData, shareSessionEpoch: epoch } = request;
  const caller = { groupId, memberId, epoch, peer: context.peer };
  const hasAcknowledgements = topics.some(topic =>
    topic.partitions.some(({ acknowledgementBatches }) => acknowledgementBatches.length > 0),
  );
  const session = parts.shares.sessions.fetch(caller, {
    added: topics.flatMap(({ topicId, partitions }) =>
      partitions.map(({ partitionIndex: index }) => {
        return { topicId, index, isKnown: context.topics.image.topics.has(topicId) };
      }),
    ),
    forgotten: forgottenTopicsData.flatMap(({ topicId, partitions }) => partitions.map(index => ({ topicId, index }))),
    hasAcknowledgements,
  });
  if (session === Errors.SHARE_SESSION_LIMIT_REACHED) {
    // Delay the reply, so that the client does not retry at once.
    return refuseLater(parts, request.maxWaitMs, () => refuse(Errors.SHARE_SESSION_LIMIT_REACHED));
  }
  if (session !== undefined && "code" in session) return refuse(session);
  new ShareFetchCall({ parts, request, context, session, reply }).begin(hasAcknowledgements);
};

function refuseLater(parts: Needs, ms: number, refuse: () => void): void {
  const timer = parts.env.timers.after(Math.max(0, ms), () => waiter.changed());
  const waiter = {
    advanced(): void {},
    changed(): void {
      timer.cancel();
      parts.pendingFetches.delete(waiter);
      refuse();
    },
  };
  parts.pendingFetches.add(waiter);
}

interface Call {
  readonly parts: Needs;
  readonly request: ShareFetchRequest;
  readonly context: TopicContext;
  /** Session of the request; undefined for its final request, which fetches nothing. */
  readonly session: ShareSession | undefined;
  readonly reply: Reply<"ShareFetch">;
}

/** A share fetch and its piggybacked acknowledgements; it replies when both are done. */
class ShareFetchCall {
  readonly #call: Call;
  #acknowledged: ReadonlyMap<string, AcknowledgedPartition> | undefined;
  #fetched: readonly ShareAnswer[] | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  begin(hasAcknowledgements: boolean): void {
    const { parts, request, context, session } = this.#call;
    if (hasAcknowledgements) {
      const said = {
        groupId: request.groupId ?? "",
        memberId: request.memberId ?? "",
        topics: request.topics,
        isRenewAck: request.isRenewAck,
        highestType: highestType(context.version),
      };
      acknowledgeAll(parts, context.topics, said, results => {
        this.#acknowledged = results;
        this.#end();
      });
    } else this.#acknowledged = new Map();
    const done = (answers: readonly ShareAnswer[]): void => {
      this.#fetched = answers;
      this.#end();
    };
    if (session === undefined || request.isRenewAck) done([]);
    else if (!isAcquireMode(request.shareAcquireMode) && isAnyKnown(context.topics, session)) this.#fail();
    else new PendingShareFetch({ parts, request, context, session, done }).begin();
  }

  /**
   * Replies UNKNOWN_SERVER_ERROR to an invalid request; Kafka detects it only after it has taken the acknowledgements.
   */
  #fail(): void {
    this.#call.reply(refusedFetch(Errors.UNKNOWN_SERVER_ERROR));
  }

  #end(): void {
    if (this.#acknowledged === undefined || this.#fetched === undefined) return;
    const { parts, request, reply } = this.#call;
    const { groupId, memberId, shareSessionEpoch } = request;
    const releases = this.#fetched.flatMap(({ release }) => release ?? []);
    const response = this.#response(this.#fetched, this.#acknowledged);
    if (releases.length === 0) reply(response);
    else reply(response, () => releases.forEach(release => release()));
    if (shareSessionEpoch !== FINAL_EPOCH) return;
    const last = parts.shares.sessions.find(groupId ?? "", memberId ?? "");
    if (last !== undefined) parts.shares.release(last);
  }

  #response(
    fetched: readonly ShareAnswer[],
    acknowledged: ReadonlyMap<string, AcknowledgedPartition>,
  ): ResponseOf<"ShareFetch"> {
    const { parts, request, context, session } = this.#call;
    const { shareSessionEpoch: epoch, groupId } = request;
    const isIncremental = session !== undefined && epoch !== INITIAL_EPOCH;
    if (isIncremental && session.epoch !== nextEpoch(epoch)) {
      return refusedFetch(Errors.INVALID_SHARE_SESSION_EPOCH);
    }
    const shown = isIncremental ? fetched.filter(answer => mustShow(session, answer)) : fetched;
    const bytes = shown.reduce((sum, { size }) => sum + size, 0);
    const throttleTimeMs = parts.quotas.record("consumer_byte_rate", context, bytes, parts.env.clock.monotonic());
    for (const { topicId, size } of shown) {
      if (size > 0) parts.metrics.topics.add(context.topics.nameOf("", topicId) ?? "", "bytesOut", size);
    }
    const rest = new Map(acknowledged);
    const partitions = shown.map(answer => {
      const id = sharePartitionId(answer);
      const said = rest.get(id);
      rest.delete(id);
      return { topicId: answer.topicId, answer: partitionOf(answer, said) };
    });
    for (const said of rest.values()) partitions.push({ topicId: said.topicId, answer: partitionOf(said, said) });
    const codes = shown.map(({ errorCode }) => errorCode);
    return {
      throttleTimeMs,
      errorCode: 0,
      errorMessage: null,
      acquisitionLockTimeoutMs: parts.shares.configs(groupId ?? "")["share.record.lock.duration.ms"],
      responses: byTopicId(partitions),
      nodeEndpoints: leaderHints(parts, context.listener, codes),
    };

    function partitionOf(answer: ShareAnswer | AcknowledgedPartition, said: AcknowledgedPartition | undefined) {
      const own = "records" in answer;
      const errorCode = own ? answer.errorCode : 0;
      return {
        partitionIndex: answer.index,
        errorCode,
        errorMessage: own ? answer.errorMessage : null,
        acknowledgeErrorCode: said?.errorCode ?? 0,
        // Kafka tells the code alone.
        acknowledgeErrorMessage: null,
        records: own ? answer.records : [],
        acquiredRecords: own ? answer.acquired : [],
        currentLeader: isLeadership(errorCode) ? leaderOf(parts.nodeId, context.topics, answer) : NO_LEADER,
      };
    }
  }
}

const ACQUIRE_MODES: readonly number[] = Object.values(AcquireMode);

function isAcquireMode(mode: number): boolean {
  return ACQUIRE_MODES.includes(mode);
}

function isAnyKnown(topics: RequestTopics, { partitions }: ShareSession): boolean {
  for (const { topicId, index } of partitions.values()) {
    const topic = topics.identified(topicId);
    if (typeof topic !== "number" && typeof topics.partition(topic.name, index) !== "number") return true;
  }
  return false;
}

/** Response to a request that fails as a whole. */
function refusedFetch(error: ProtocolError) {
  return { ...refusedWhole(error), acquisitionLockTimeoutMs: 0 };
}

/** Leader of a partition: this broker leads every partition. */
function leaderOf(
  leaderId: BrokerId,
  topics: RequestTopics,
  { topicId, index }: { readonly topicId: ShareAnswer["topicId"]; readonly index: PartitionIndex },
) {
  const topic = topics.identified(topicId);
  const partition = typeof topic === "number" ? topic : topics.partition(topic.name, index);
  return { leaderId, leaderEpoch: typeof partition === "number" ? -1 : partition.leaderEpoch };
}

/** True if the response must include this partition; after an error, the next response includes it once more. */
function mustShow(session: ShareSession, answer: ShareAnswer): boolean {
  const known = session.partitions.get(sharePartitionId(answer));
  const shows = answer.size > 0 || answer.errorCode !== 0 || known?.mustShow === true;
  if (known !== undefined) known.mustShow = answer.errorCode !== 0;
  return shows;
}
