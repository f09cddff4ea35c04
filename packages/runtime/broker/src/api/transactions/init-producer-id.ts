import type { ProducerReply } from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { fencedAs } from "./transactions.ts";
import type { Handler, RequestOf } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "config" | "env" | "producerIds" | "transactions">;

/** First version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION = 4;

export const initProducerId: Handler<"InitProducerId", Needs> = (parts, request, { version, access }, reply) => {
  const { transactionalId, transactionTimeoutMs: timeoutMs, producerId: id, producerEpoch: epoch } = request;
  const failed = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 });
  if (transactionalId === null && !access.showsCluster("IDEMPOTENT_WRITE")) {
    if (!access.permitsSome("WRITE", "TOPIC")) return failed(Errors.CLUSTER_AUTHORIZATION_FAILED.code);
  }
  // Producer id and epoch must both be set or both be missing (KIP-360).
  if ((id === -1n) !== (epoch === -1) || transactionalId === "") return failed(Errors.INVALID_REQUEST.code);
  if (transactionalId !== null) {
    const unable = twoPhaseFault(parts, request);
    if (unable !== 0) return failed(unable);
    const expected = id === -1n ? undefined : { id, epoch };
    const refused = parts.transactions.request<ProducerReply>(
      { type: "init", transactionalId, timeoutMs: request.enable2Pc ? "ENDLESS" : timeoutMs, expected },
      initialized =>
        reply({
          throttleTimeMs: 0,
          ...initialized,
          errorCode: fencedAs(initialized.errorCode, version, FENCED_VERSION),
        }),
    );
    if (refused !== 0) failed(refused);
    return;
  }
  parts.producerIds.next().then(
    producerId => reply({ throttleTimeMs: 0, errorCode: 0, producerId, producerEpoch: 0 }),
    error => {
      parts.env.logger.error("no producer id could be given", { error });
      failed(Errors.COORDINATOR_NOT_AVAILABLE.code);
    },
  );
};

/** Error of a request that asks for more of two-phase commit (KIP-939) than there is: Kafka 4.4 keeps no transaction. */
function twoPhaseFault({ config }: Needs, { enable2Pc, keepPreparedTxn }: RequestOf<"InitProducerId">): number {
  if (enable2Pc && !config["transaction.two.phase.commit.enable"]) {
    return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code;
  }
  return keepPreparedTxn ? Errors.UNSUPPORTED_VERSION.code : 0;
}
