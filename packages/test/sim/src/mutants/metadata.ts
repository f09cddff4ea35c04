import type { Mutant } from "./mutant.ts";

const BROKER = "packages/runtime/broker/src";
const RAFT = "packages/runtime/raft/src";
const CONTROLLER = "packages/kernel/controller/src";
const METADATA = "packages/kernel/metadata/src";
const COORDINATOR = "packages/kernel/coordinator/src";
const RECORDS = "packages/format/records/src";

/** Mistakes in decisions of the controller, in images and snapshots, and in answers about them. */
export const METADATA_MUTANTS: readonly Mutant[] = [
  {
    name: "a topic has one partition too many",
    file: `${CONTROLLER}/topics.ts`,
    find: "const replicas = placeReplicas(image, count, factor, draw);",
    replace: "const replicas = placeReplicas(image, count + 1, factor, draw);",
    why: "CreateTopics does not do what it is asked for",
  },
  {
    name: "a deleted setting keeps its value",
    file: `${CONTROLLER}/configs.ts`,
    find: "if (operation === DELETE) return null;",
    replace: "if (operation === DELETE) return current;",
    why: "a topic keeps a setting that its owner has removed",
  },
  {
    name: "a snapshot contains no settings",
    file: `${METADATA}/parts/configs.ts`,
    find: 'put(metadataRecord("ConfigRecord", 0, { resourceType, resourceName, name, value }));',
    replace: "void [resourceType, resourceName, name, value];",
    why: "settings are lost when the log before the snapshot is deleted",
  },
  {
    name: "settings of a deleted topic stay",
    file: `${METADATA}/parts/topics.ts`,
    find: '    edits.remove("configs", key);\n    edits.changedConfigs.add(key);\n',
    replace: "",
    why: "a new topic of the same name inherits the settings of the old one",
  },
  {
    name: "a decision is acknowledged before it is durable",
    file: `${BROKER}/controller/quorum-controller.ts`,
    find: "if (isCommitted) resolve(reply);",
    replace: "resolve(reply, isCommitted);",
    why: "a topic that was created is gone after a power cut",
  },
  {
    name: "the controller decides on committed metadata only",
    file: `${CONTROLLER}/controller.ts`,
    find: "decider(this.#context(this.#speculative, draw), request)",
    replace: "decider(this.#context(this.#committed, draw), request)",
    why: "two decisions in one flush contradict each other, and the log cannot be replayed",
  },
  {
    name: "only the last batch of a flush is published",
    file: `${RAFT}/record-feed.ts`,
    find: "if (records.length > 0) this.#listener",
    replace: "if (records.length > 0 && this.#next === this.#storage.highWatermark) this.#listener",
    why: "the brokers and the log disagree on what exists",
  },
  {
    name: "the earliest offset is always 0",
    file: `${BROKER}/api/records/list-offsets.ts`,
    find: "return at(partition, partition.startOffset);",
    replace: "return at(partition, 0);",
    why: "consumers begin at records that are deleted",
  },
  {
    name: "the timestamp type of a batch is not changed",
    file: `${RECORDS}/batch.ts`,
    find: 'assignment.timestampType === "LogAppendTime" ? LOG_APPEND_TIME_BIT : 0;',
    replace: "batch.attributes & LOG_APPEND_TIME_BIT;",
    why: "message.timestamp.type does nothing",
  },
  {
    name: "offsets of a group are stored for partition 0 only",
    file: `${COORDINATOR}/group/offset-table.ts`,
    find: "  partitions.set(partition, offset);\n",
    replace: "  partitions.set(0, offset);\n",
    why: "a commit of one partition overwrites that of another",
  },
  {
    name: "a deletion of a topic is answered and not recorded",
    file: `${CONTROLLER}/topics.ts`,
    find: 'records.push(metadataRecord("RemoveTopicRecord", 0, { topicId: topic.id }));',
    replace: "",
    why: "a deleted topic is there again after a start",
  },
];
