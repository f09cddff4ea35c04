import { txnCommitError } from "@samsa/coordinator";
import { VERIFICATION } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import { OFFSETS_TOPIC } from "../../config/internal-topics.ts";
import { mergeOutcomes, splitByExistence } from "../offset-partitions.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "config" | "env" | "groups" | "transactions">;

/** First versions whose clients know TRANSACTION_ABORTABLE, and let the broker add partitions. */
const ABORTABLE_VERSION = 4;
const ADDING_VERSION = 5;

/** Commits offsets as part of a producer's transaction. */
export const txnOffsetCommit: TopicHandler<"TxnOffsetCommit", Needs> = (parts, body, { version, topics }, reply) => {
  const { existing: known, refused } = splitByExistence(body.topics, topics);
  const answer = (outcomes: Parameters<typeof mergeOutcomes>[1]): void =>
    reply({ throttleTimeMs: 0, topics: mergeOutcomes(refused, outcomes) });
  if (known.length === 0) return answer([]);
  const fail = (errorCode: number): void => answer(txnCommitError(known, errorCode).topics);
  if (body.groupId === "") return fail(Errors.INVALID_GROUP_ID.code);
  const runner = parts.groups.of(body.groupId);
  if (typeof runner === "number") return fail(runner);
  const commit = (guard?: number): void => {
    const request = {
      type: "txnCommit",
      version,
      body: { ...body, topics: known },
      ...(guard === undefined ? {} : { guard }),
    } as const;
    parts.groups.request(body.groupId, request, ({ topics }) => answer(topics), fail);
  };
  const addsByWriting = version >= ADDING_VERSION;
  const verifies = parts.config["transaction.partition.verification.enable"];
  if (!addsByWriting && !verifies) return commit();
  const { producerId, producerEpoch, transactionalId } = body;
  const batch = { producerId, producerEpoch, baseSequence: -1 };
  const guard = runner.partition.startVerification(batch, addsByWriting, parts.env.clock.now());
  if (guard === VERIFICATION.STALE) return fail(Errors.INVALID_PRODUCER_EPOCH.code);
  const shown = verifies ? guard : undefined;
  if (guard === VERIFICATION.OPEN) return commit(shown);
  const admission = {
    transactionalId,
    producer: { id: producerId, epoch: producerEpoch },
    partitions: new Map([[OFFSETS_TOPIC, new Set([runner.partition.index])]]),
    ability: { addsByWriting, knowsAbortable: version >= ABORTABLE_VERSION },
    patient: false,
  };
  parts.transactions.admit(admission, errorOf => {
    const errorCode = errorOf(OFFSETS_TOPIC, runner.partition.index);
    if (errorCode === 0) commit(shown);
    else fail(errorCode);
  });
};
