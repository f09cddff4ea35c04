import { Errors } from "@samsa/protocol";
import { errorResponses } from "../../error-responses.ts";
import type { Handler } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

/** Requests that the broker forwards to the controller without changes (`ForwardingManager`). */

type Needs = Pick<BrokerParts, "forwarding">;

/** First versions whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const STRICT_VERSION = { createTopics: 6, deleteTopics: 5, createPartitions: 3 } as const;
/** First version whose clients know TOPIC_DELETION_DISABLED. */
const DISABLED_VERSION = 3;
/** First version of UpdateFeatures with a single outcome for the whole request (KIP-1014). */
const ONE_OUTCOME_VERSION = 2;

export const createTopics: Handler<"CreateTopics", Needs> = ({ forwarding }, request, context, reply) => {
  forwarding.decide("createTopics", request, {
    reply,
    failed: error => errorResponses.CreateTopics(request, error),
    quota: forwarding.mutations(context, STRICT_VERSION.createTopics),
  });
};

export const deleteTopics: Handler<"DeleteTopics", Pick<BrokerParts, "config" | "forwarding">> = (
  { config, forwarding },
  request,
  context,
  reply,
) => {
  if (!config["delete.topic.enable"]) {
    const isKnown = context.version >= DISABLED_VERSION;
    const error = isKnown ? Errors.TOPIC_DELETION_DISABLED : Errors.INVALID_REQUEST;
    return reply(errorResponses.DeleteTopics(request, { ...error, detail: null }));
  }
  forwarding.decide("deleteTopics", request, {
    reply,
    failed: error => errorResponses.DeleteTopics(request, error),
    quota: forwarding.mutations(context, STRICT_VERSION.deleteTopics),
  });
};

export const createPartitions: Handler<"CreatePartitions", Needs> = ({ forwarding }, request, context, reply) => {
  forwarding.decide("createPartitions", request, {
    reply,
    failed: error => errorResponses.CreatePartitions(request, error),
    quota: forwarding.mutations(context, STRICT_VERSION.createPartitions),
  });
};

export const electLeaders: Handler<"ElectLeaders", Needs> = ({ forwarding }, request, { version }, reply) => {
  forwarding.decide("electLeaders", request, {
    reply,
    failed: error => errorResponses.ElectLeaders(request, error, version),
  });
};

export const alterPartitionReassignments: Handler<"AlterPartitionReassignments", Needs> = (
  { forwarding },
  request,
  _context,
  reply,
) => {
  forwarding.decide("alterPartitionReassignments", request, {
    reply,
    failed: error => errorResponses.AlterPartitionReassignments(request, error),
  });
};

export const updateFeatures: Handler<"UpdateFeatures", Needs> = ({ forwarding }, request, { version }, reply) => {
  forwarding.decide("updateFeatures", request, {
    reply: response => reply(version >= ONE_OUTCOME_VERSION ? { ...response, results: [] } : response),
    failed: error => errorResponses.UpdateFeatures(request, error),
  });
};

export const unregisterBroker: Handler<"UnregisterBroker", Needs> = ({ forwarding }, request, _context, reply) => {
  forwarding.decide("unregisterBroker", request, {
    reply,
    failed: error => errorResponses.UnregisterBroker(request, error),
  });
};

export const unregisterController: Handler<"UnregisterController", Needs> = (
  { forwarding },
  request,
  _context,
  reply,
) => {
  forwarding.decide("unregisterController", request, {
    reply,
    failed: error => errorResponses.UnregisterController(request, error),
  });
};
