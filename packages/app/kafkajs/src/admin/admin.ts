import type { Cluster } from "../cluster/cluster.ts";
import { describeGroup } from "../consumer/group-description.ts";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import type { Emitter } from "../events/emitter.ts";
import type { Logger } from "../log/logger.ts";
import { checkTopic } from "../values/offset.ts";
import { checkFilter, checkFilters, checkNewAcls, createAcls, deleteAcls, describeAcls } from "./acls.ts";
import {
  checkConfigNames,
  checkNewConfigs,
  checkReassignments,
  checkResources,
  checkSelectedPartitions,
  checkTopics,
} from "./checks.ts";
import { alterConfigs, describeConfigs } from "./configs.ts";
import { deleteGroups, groupOffsets, listGroups, resetOffsets, setOffsets } from "./groups.ts";
import { alterReassignments, listReassignments } from "./reassignments.ts";
import {
  checkNewTopics,
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  listTopics,
  offsetsByTime,
  topicMetadata,
  topicOffsets,
} from "./topics.ts";
import { type Admin, adminEvents } from "./types.ts";

/** Parts of an admin. */
export interface AdminParts {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly emitter: Emitter;
}

function checkGroupId(groupId: unknown): void {
  if (typeof groupId !== "string" || groupId === "") {
    throw new KafkaJSNonRetriableError(`Invalid groupId ${String(groupId)}`);
  }
}

function checkFilled(partitions: unknown): void {
  if (!Array.isArray(partitions) || partitions.length === 0) throw new KafkaJSNonRetriableError("Invalid partitions");
}

/** Admin with KafkaJS's methods. Arguments are checked before the cluster is asked. */
export class KafkaJSAdmin implements Admin {
  readonly events = adminEvents;
  readonly on: Admin["on"];
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.on = (name, listener) => parts.emitter.on(name, listener);
  }

  readonly logger = (): Logger => this.#parts.logger;

  readonly connect = async (): Promise<void> => {
    await this.#parts.cluster.connect();
    this.#parts.emitter.emit(this.events.CONNECT, null);
  };

  readonly disconnect = async (): Promise<void> => {
    this.#parts.cluster.disconnect();
    this.#parts.emitter.emit(this.events.DISCONNECT, null);
  };

  // Topics

  readonly listTopics: Admin["listTopics"] = async () => this.#parts.cluster.call(listTopics);

  readonly createTopics: Admin["createTopics"] = async options => {
    checkNewTopics(options.topics);
    return this.#parts.cluster.call(client => createTopics(client, options));
  };

  readonly deleteTopics: Admin["deleteTopics"] = async ({ topics: names, timeout }) => {
    if (!Array.isArray(names)) throw new KafkaJSNonRetriableError(`Invalid topics array ${String(names)}`);
    if (names.some(name => typeof name !== "string")) {
      throw new KafkaJSNonRetriableError("Invalid topics array, the names must be a valid string");
    }
    return this.#parts.cluster.call(client => deleteTopics(client, names, timeout));
  };

  readonly createPartitions: Admin["createPartitions"] = async options => {
    const { topicPartitions } = options;
    checkTopics(topicPartitions ?? null, "topic partitions");
    if (topicPartitions.length === 0) throw new KafkaJSNonRetriableError("Empty topic partitions array");
    return this.#parts.cluster.call(client => createPartitions(client, options));
  };

  readonly fetchTopicMetadata: Admin["fetchTopicMetadata"] = async options => {
    const names = options?.topics ?? [];
    for (const name of names) checkTopic(name);
    return { topics: await this.#parts.cluster.call(client => topicMetadata(client, names)) };
  };

  readonly fetchTopicOffsets: Admin["fetchTopicOffsets"] = async topic => {
    checkTopic(topic);
    return this.#parts.cluster.call(client => topicOffsets(client, topic));
  };

  readonly fetchTopicOffsetsByTimestamp: Admin["fetchTopicOffsetsByTimestamp"] = async (topic, timestamp) => {
    checkTopic(topic);
    return this.#parts.cluster.call(client => offsetsByTime(client, topic, timestamp));
  };

  readonly deleteTopicRecords: Admin["deleteTopicRecords"] = async options => {
    const { topic, partitions } = options;
    if (typeof topic !== "string" || topic === "")
      throw new KafkaJSNonRetriableError(`Invalid topic "${String(topic)}"`);
    checkFilled(partitions);
    return this.#parts.cluster.call(client => deleteRecords(client, options, this.#parts.logger));
  };

  // Groups

  readonly fetchOffsets: Admin["fetchOffsets"] = async options => {
    checkGroupId(options.groupId);
    const { topics: names } = options;
    if (names !== undefined && names !== null && !Array.isArray(names)) {
      throw new KafkaJSNonRetriableError("Expected topics array to be set");
    }
    return this.#parts.cluster.call(client => groupOffsets(client, { ...options, topics: names ?? [] }));
  };

  readonly setOffsets: Admin["setOffsets"] = async ({ groupId, topic, partitions }) => {
    checkGroupId(groupId);
    checkTopic(topic);
    checkFilled(partitions);
    return this.#parts.cluster.call(client => setOffsets(client, groupId, topic, partitions));
  };

  readonly resetOffsets: Admin["resetOffsets"] = async options => {
    checkGroupId(options.groupId);
    checkTopic(options.topic);
    return this.#parts.cluster.call(client => resetOffsets(client, options));
  };

  readonly listGroups: Admin["listGroups"] = async () => ({
    groups: await this.#parts.cluster.call(listGroups),
  });

  readonly describeGroups: Admin["describeGroups"] = async groupIds => ({
    groups: await this.#parts.cluster.call(client =>
      Promise.all(groupIds.map(groupId => describeGroup(client, groupId))),
    ),
  });

  readonly deleteGroups: Admin["deleteGroups"] = async groupIds => {
    if (!Array.isArray(groupIds)) throw new KafkaJSNonRetriableError(`Invalid groupIds array ${String(groupIds)}`);
    const wrong = groupIds.find(groupId => typeof groupId !== "string");
    if (wrong !== undefined) throw new KafkaJSNonRetriableError(`Invalid groupId name: ${JSON.stringify(wrong)}`);
    return this.#parts.cluster.call(client => deleteGroups(client, groupIds));
  };

  // Cluster, settings and access rights

  readonly describeCluster: Admin["describeCluster"] = async () =>
    this.#parts.cluster.call(async client => {
      const { brokers, controllerId, clusterId } = await client.retrying(client.patience(), () =>
        client.callAny("Metadata", version => ({
          // Version 0 knows no empty list: it asks for all topics.
          topics: version === 0 ? null : [],
          allowAutoTopicCreation: false,
        })),
      );
      return {
        brokers: brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
        controller: controllerId < 0 ? null : controllerId,
        clusterId: clusterId ?? "",
      };
    });

  readonly describeConfigs: Admin["describeConfigs"] = async options => {
    checkResources(options.resources);
    checkConfigNames(options.resources);
    return this.#parts.cluster.call(client => describeConfigs(client, options));
  };

  readonly alterConfigs: Admin["alterConfigs"] = async options => {
    checkResources(options.resources);
    checkNewConfigs(options.resources);
    return this.#parts.cluster.call(client => alterConfigs(client, options));
  };

  readonly describeAcls: Admin["describeAcls"] = async filter => {
    checkFilter(filter);
    return this.#parts.cluster.call(client => describeAcls(client, filter));
  };

  readonly createAcls: Admin["createAcls"] = async ({ acl }) => {
    checkNewAcls(acl);
    return this.#parts.cluster.call(client => createAcls(client, acl));
  };

  readonly deleteAcls: Admin["deleteAcls"] = async ({ filters }) => {
    checkFilters(filters);
    return this.#parts.cluster.call(client => deleteAcls(client, filters));
  };

  // Replicas

  readonly alterPartitionReassignments: Admin["alterPartitionReassignments"] = async request => {
    checkTopics(request.topics, "topics");
    checkReassignments(request.topics);
    return this.#parts.cluster.call(client => alterReassignments(client, request.topics, request.timeout));
  };

  readonly listPartitionReassignments: Admin["listPartitionReassignments"] = async ({ topics: some, timeout } = {}) => {
    if (some !== undefined && some !== null) {
      checkTopics(some, "topics");
      checkSelectedPartitions(some);
    }
    return this.#parts.cluster.call(client => listReassignments(client, some ?? null, timeout));
  };
}
