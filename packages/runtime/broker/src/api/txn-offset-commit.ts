import { type GroupRequest, txnCommitError } from "@samsa/coordinator";
import { VERIFICATION } from "@samsa/log";
import { Errors, type TxnOffsetCommitRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { OFFSETS_TOPIC } from "../topics.ts";
import { mergeOutcomes, splitByExistence } from "./offset-partitions.ts";

/** First versions whose clients know TRANSACTION_ABORTABLE, leave it to us to add partitions, and name topics by id. */
const ABORTABLE_VERSION = 4;
const ADDING_VERSION = 5;
const TOPIC_ID_VERSION = 6;

/** Commits offsets as part of a producer's transaction. */
export function txnOffsetCommit(
  broker: Broker,
  body: TxnOffsetCommitRequest,
  { version }: RequestContext,
  reply: (response: object) => void,
): void {
  const { existing: known, refused } = splitByExistence(body.topics, broker.topics, version >= TOPIC_ID_VERSION);
  const answer = (topics: Parameters<typeof mergeOutcomes>[1]): void =>
    reply({ throttleTimeMs: 0, topics: mergeOutcomes(refused, topics) });
  if (known.length === 0) return answer([]);
  const fail = (errorCode: number): void => answer(txnCommitError(known, errorCode).topics);
  if (body.groupId === "") return fail(Errors.INVALID_GROUP_ID.code);
  const runner = broker.groups.of(body.groupId);
  if (runner === undefined) return fail(Errors.NOT_COORDINATOR.code);
  const commit = (guard?: number): void => {
    const request: GroupRequest = {
      type: "txnCommit",
      version,
      body: { ...body, topics: known },
      ...(guard === undefined ? {} : { guard }),
    };
    const served = broker.groups.request(body.groupId, request, response =>
      answer((response as { topics: [] }).topics),
    );
    if (!served) fail(Errors.NOT_COORDINATOR.code);
  };
  const addsByWriting = version >= ADDING_VERSION;
  const verifies = broker.config["transaction.partition.verification.enable"];
  if (!addsByWriting && !verifies) return commit();
  const { producerId, producerEpoch, transactionalId } = body;
  const batch = { producerId, producerEpoch, baseSequence: -1 };
  const guard = runner.partition.log.state.producers.startVerification(batch, addsByWriting, broker.env.clock.now());
  if (guard === VERIFICATION.STALE) return fail(Errors.INVALID_PRODUCER_EPOCH.code);
  const shown = verifies ? guard : undefined;
  if (guard === VERIFICATION.OPEN) return commit(shown);
  const admission = {
    transactionalId,
    producer: { id: producerId, epoch: producerEpoch },
    partitions: new Map([[OFFSETS_TOPIC, new Set([runner.partition.log.partition])]]),
    ability: { addsByWriting, knowsAbortable: version >= ABORTABLE_VERSION },
    patient: false,
  };
  broker.transactions.admit(admission, errorOf => {
    const errorCode = errorOf(OFFSETS_TOPIC, runner.partition.log.partition);
    if (errorCode === 0) commit(shown);
    else fail(errorCode);
  });
}
