import { Errors, type InitProducerIdRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function initProducerId(
  broker: Broker,
  request: InitProducerIdRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const failed = (errorCode: number): void =>
    reply({ throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 });
  if (request.transactionalId !== null) {
    // Transactions have no coordinator here yet; nothing announces one either.
    failed(Errors.INVALID_REQUEST.code);
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
