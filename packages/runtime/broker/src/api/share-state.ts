import type { Uuid } from "@samsa/base";
import type { ShareStateRequest } from "@samsa/coordinator";
import type {
  DeleteShareGroupStateRequest,
  InitializeShareGroupStateRequest,
  ReadShareGroupStateRequest,
  ReadShareGroupStateSummaryRequest,
  WriteShareGroupStateRequest,
} from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import type { ShareStateAnswer } from "../share/share-states.ts";

type Reply = (response: object) => void;

interface StateRequest<B> {
  readonly groupId: string;
  readonly topics: readonly { readonly topicId: Uuid; readonly partitions: readonly B[] }[];
}

/** Puts each partition of a request before its shard, and answers when all have (`ShareCoordinatorService`). */
function ask<B extends { readonly partition: number }>(
  broker: Broker,
  { groupId, topics }: StateRequest<B>,
  wrap: (body: B) => ShareStateRequest,
  reply: Reply,
): void {
  // Kafka has no error for these.
  const isEmpty = groupId === "" || topics.length === 0 || topics.some(({ partitions }) => partitions.length === 0);
  if (isEmpty) return reply({ results: [] });
  // A partition that is named twice is answered once.
  const results = new Map<Uuid, Map<number, ShareStateAnswer>>();
  let waiting = 1;
  const end = (): void => {
    if (--waiting > 0) return;
    reply({ results: [...results].map(([topicId, answers]) => ({ topicId, partitions: [...answers.values()] })) });
  };
  for (const { topicId, partitions } of topics) {
    const answers = results.get(topicId) ?? new Map<number, ShareStateAnswer>();
    results.set(topicId, answers);
    for (const body of partitions) {
      waiting++;
      const { partition } = body;
      broker.shares.states.ask({ groupId, topicId, partition }, wrap(body), answer => {
        answers.set(partition, { partition, ...answer } as ShareStateAnswer);
        end();
      });
    }
  }
  end();
}

export function initializeShareGroupState(
  broker: Broker,
  request: InitializeShareGroupStateRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  ask(broker, request, body => ({ type: "initialize", body }), reply);
}

export function readShareGroupState(
  broker: Broker,
  request: ReadShareGroupStateRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  ask(broker, request, body => ({ type: "read", body }), reply);
}

export function writeShareGroupState(
  broker: Broker,
  request: WriteShareGroupStateRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  ask(broker, request, body => ({ type: "write", body }), reply);
}

export function deleteShareGroupState(
  broker: Broker,
  request: DeleteShareGroupStateRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  ask(broker, request, body => ({ type: "delete", body }), reply);
}

export function readShareGroupStateSummary(
  broker: Broker,
  request: ReadShareGroupStateSummaryRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  ask(broker, request, body => ({ type: "summary", body }), reply);
}
