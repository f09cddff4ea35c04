import type { PartitionIndex, Uuid } from "@samsa/base";
import type { ShareStateRequest } from "@samsa/coordinator";
import type { ShareStateAnswer } from "../../share/share-state-answer.ts";
import type { Handler, RequestOf, ResponseOf } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "shares">;

type StateApi =
  | "InitializeShareGroupState"
  | "ReadShareGroupState"
  | "WriteShareGroupState"
  | "DeleteShareGroupState"
  | "ReadShareGroupStateSummary";

type StatePartition<N extends StateApi> = RequestOf<N>["topics"][number]["partitions"][number];

/** Sends each partition of a request to its shard, and replies once all have answered (`ShareCoordinatorService`). */
function ask<N extends StateApi>(
  parts: Needs,
  { groupId, topics }: RequestOf<N>,
  wrap: (body: StatePartition<N>) => ShareStateRequest,
  done: (response: ResponseOf<N>) => void,
): void {
  // The shard answers each type of request with the partition result of its API.
  const reply = done as (response: { readonly results: readonly object[] }) => void;
  // Kafka answers an empty request without an error.
  const isEmpty = groupId === "" || topics.length === 0 || topics.some(({ partitions }) => partitions.length === 0);
  if (isEmpty) return reply({ results: [] });
  // A partition that is named twice is answered once.
  const results = new Map<Uuid, Map<PartitionIndex, ShareStateAnswer>>();
  let waiting = 1;
  const end = (): void => {
    if (--waiting > 0) return;
    reply({ results: [...results].map(([topicId, answers]) => ({ topicId, partitions: [...answers.values()] })) });
  };
  for (const { topicId, partitions } of topics) {
    const answers = results.get(topicId) ?? new Map<PartitionIndex, ShareStateAnswer>();
    results.set(topicId, answers);
    for (const body of partitions) {
      waiting++;
      const { partition } = body;
      parts.shares.states.serve({ groupId, topicId, partition }, wrap(body), answer => {
        answers.set(partition, { partition, ...answer } as ShareStateAnswer);
        end();
      });
    }
  }
  end();
}

export const initializeShareGroupState: Handler<"InitializeShareGroupState", Needs> = (
  parts,
  request,
  _context,
  reply,
) => {
  ask<"InitializeShareGroupState">(parts, request, body => ({ type: "initialize", body }), reply);
};

export const readShareGroupState: Handler<"ReadShareGroupState", Needs> = (parts, request, _context, reply) => {
  ask<"ReadShareGroupState">(parts, request, body => ({ type: "read", body }), reply);
};

export const writeShareGroupState: Handler<"WriteShareGroupState", Needs> = (parts, request, _context, reply) => {
  ask<"WriteShareGroupState">(parts, request, body => ({ type: "write", body }), reply);
};

export const deleteShareGroupState: Handler<"DeleteShareGroupState", Needs> = (parts, request, _context, reply) => {
  ask<"DeleteShareGroupState">(parts, request, body => ({ type: "delete", body }), reply);
};

export const readShareGroupStateSummary: Handler<"ReadShareGroupStateSummary", Needs> = (
  parts,
  request,
  _context,
  reply,
) => {
  ask<"ReadShareGroupStateSummary">(parts, request, body => ({ type: "summary", body }), reply);
};
