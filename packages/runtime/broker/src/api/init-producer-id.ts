import type { ProducerReply } from "@samsa/coordinator";
import { Errors, type InitProducerIdRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { fencedAs } from "./transactions.ts";

/** First version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION = 4;

export function initProducerId(
  broker: Broker,
  request: InitProducerIdRequest,
  { version }: RequestContext,
  reply: (response: object) => void,
): void {
  const { transactionalId, transactionTimeoutMs: timeoutMs, producerId: id, producerEpoch: epoch } = request;
  const failed = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 });
  // Both say where the producer was, or neither does (KIP-360).
  if ((id === -1n) !== (epoch === -1) || transactionalId === "") return failed(Errors.INVALID_REQUEST.code);
  if (transactionalId !== null) {
    const expected = id === -1n ? undefined : { id, epoch };
    const served = broker.transactions.request<ProducerReply>(
      { type: "init", transactionalId, timeoutMs, expected },
      initialized =>
        reply({
          throttleTimeMs: 0,
          ...initialized,
          errorCode: fencedAs(initialized.errorCode, version, FENCED_VERSION),
        }),
    );
    if (!served) failed(Errors.NOT_COORDINATOR.code);
    return;
  }
  broker.control.producerId().then(
    producerId => reply({ throttleTimeMs: 0, errorCode: 0, producerId, producerEpoch: 0 }),
    error => {
      broker.env.logger.error("no producer id could be given", { error });
      failed(Errors.COORDINATOR_NOT_AVAILABLE.code);
    },
  );
}
