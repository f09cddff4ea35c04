import { MalformedError, type Pattern } from "@samsa/base";
import { TXN_STATES, type TxnView } from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { NO_TRANSACTION } from "../../request/error-responses.ts";
import type { Handler, ItemOf, TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "env" | "transactions">;

/** DescribeTransactions (KIP-664): the state of transactional ids. */
export const describeTransactions: TopicHandler<"DescribeTransactions", Needs> = (
  parts,
  { transactionalIds },
  { topics: known },
  reply,
) => {
  const failed = (transactionalId: string, errorCode: number) => ({ ...NO_TRANSACTION, transactionalId, errorCode });
  const transactionStates = transactionalIds.map(id => {
    if (id === "") return failed(id, Errors.INVALID_REQUEST.code);
    const runner = parts.transactions.of(id);
    if (typeof runner === "number") return failed(id, runner);
    const view = runner.shard.view(id);
    if (view === undefined) return failed(id, Errors.TRANSACTIONAL_ID_NOT_FOUND.code);
    return {
      transactionalId: id,
      errorCode: 0,
      transactionState: view.state,
      transactionTimeoutMs: view.timeoutMs,
      transactionStartTimeMs: view.startTimestamp,
      producerId: view.producerId,
      producerEpoch: view.producerEpoch,
      topics: [...view.partitions].flatMap(([topic, partitions]) =>
        known.allows(topic) ? [{ topic, partitions: [...partitions] }] : [],
      ),
    };
  });
  reply({ throttleTimeMs: 0, transactionStates });
};

const STATE_NAMES: ReadonlySet<string> = new Set(TXN_STATES);

export const listTransactions: Handler<"ListTransactions", Needs> = (parts, request, { access }, reply) => {
  const { durationFilter, transactionalIdPattern: pattern } = request;
  const producers = new Set(request.producerIdFilters);
  const states = new Set<string>(request.stateFilters);
  const unknownStateFilters = [...states].filter(state => !STATE_NAMES.has(state));
  const named = pattern === null || pattern === "" ? undefined : compiled(parts, pattern);
  const answer = (errorCode: number, transactionStates: ItemOf<"ListTransactions", "transactionStates">[]): void =>
    reply({ throttleTimeMs: 0, errorCode, unknownStateFilters, transactionStates });
  if (parts.transactions.isLoading) return answer(Errors.COORDINATOR_LOAD_IN_PROGRESS.code, []);
  if (named === null) return answer(Errors.INVALID_REGULAR_EXPRESSION.code, []);
  const now = parts.env.clock.now();
  const wanted = (view: TxnView): boolean =>
    (producers.size === 0 || producers.has(view.producerId)) &&
    (states.size === 0 || states.has(view.state)) &&
    (durationFilter < 0 || now - view.startTimestamp > durationFilter) &&
    (named === undefined || named(view.transactionalId));
  const found: ItemOf<"ListTransactions", "transactionStates">[] = [];
  for (const { shard } of parts.transactions.all()) {
    for (const view of shard.views()) {
      const { transactionalId, producerId, state: transactionState } = view;
      if (wanted(view) && access.permits("DESCRIBE", "TRANSACTIONAL_ID", transactionalId))
        found.push({ transactionalId, producerId, transactionState });
    }
  }
  answer(0, found);
};

/** Compiles a pattern of transactional ids; null if it is not a regular expression. */
function compiled({ env }: Needs, pattern: string): Pattern | null {
  try {
    return env.pattern(pattern);
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}
