import { type BrokerId, entryAt, type PartitionIndex, ZERO_UUID, duplicates } from "@samsa/base";
import {
  collisionName,
  type MetadataImage,
  type PartitionImage,
  partitionRecord,
  RESOURCE_TYPE,
  topicNamed,
} from "@samsa/metadata";
import {
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  createTopicsResponse,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import { changeConfigs, SET } from "./configs.ts";
import {
  type Decision,
  type DecisionContext,
  isRefusal,
  MAX_RECORDS,
  type Refusal,
  refusal,
} from "./decision/decision.ts";
import type { TopicCreation } from "./decision/rules.ts";
import { assignmentFault, newPartition, placeReplicas } from "./placement.ts";
import { topicNameFault } from "./topic-names.ts";

const METADATA_TOPIC = "__cluster_metadata";

type NewTopic = CreateTopicsRequest["topics"][number];
type NewPartitions = CreatePartitionsRequest["topics"][number];

/**
 * CreateTopics. Each topic succeeds or fails on its own; a duplicate name fails once. More than 10000 partitions in one
 * request are refused with POLICY_VIOLATION for every topic. With `validateOnly` there are no records.
 */
export function createTopics(context: DecisionContext, request: CreateTopicsRequest): Decision<CreateTopicsResponse> {
  const { image, settings } = context;
  const records: MetadataRecord[] = [];
  const results: NewTopicResult[] = [];
  const twice = duplicates(request.topics.map(t => t.name));
  const repeated: NewTopicResult[] = [];
  let total = 0;
  for (const t of request.topics) {
    total += t.assignments.length || Math.max(0, t.numPartitions === -1 ? settings.numPartitions : t.numPartitions);
  }
  for (const name of new Set(request.topics.map(t => t.name))) {
    const topic = request.topics.find(t => t.name === name) as NewTopic;
    const refused =
      total > MAX_RECORDS
        ? refusal("POLICY_VIOLATION", "Excessively large number of partitions per request.")
        : newNameFault(image, name, twice);
    const made = refused ?? createTopic(context, topic);
    if (isRefusal(made)) {
      (twice.has(name) ? repeated : results).push({ name, ...made });
      continue;
    }
    records.push(...made.records);
    results.push(made.reply);
  }
  const reply = createTopicsResponse.defaults({ topics: [...results, ...repeated] });
  return { records: request.validateOnly ? [] : records, reply };
}

type CreatedTopic = CreateTopicsResponse["topics"][number];
type NewTopicResult = Pick<CreatedTopic, "name" | "errorCode" | "errorMessage"> & Partial<CreatedTopic>;

function newNameFault(image: MetadataImage, name: string, twice: ReadonlySet<string>): Refusal | undefined {
  if (twice.has(name)) return refusal("INVALID_REQUEST", "Duplicate topic name.");
  if (name === METADATA_TOPIC) {
    return refusal("INVALID_REQUEST", `Creation of internal topic ${METADATA_TOPIC} is prohibited.`);
  }
  if (image.topicIds.has(name)) return refusal("TOPIC_ALREADY_EXISTS", `Topic '${name}' already exists.`);
  const fault = topicNameFault(name);
  if (fault !== undefined) return refusal("INVALID_TOPIC_EXCEPTION", fault);
  const other = image.collisions.get(collisionName(name))?.[0];
  if (other === undefined) return undefined;
  return refusal("INVALID_TOPIC_EXCEPTION", `Topic '${name}' collides with existing topic: ${other}`);
}

function createTopic(context: DecisionContext, topic: NewTopic): Decision<CreatedTopic> | Refusal {
  const { image, settings, draw } = context;
  const nulls = topic.configs.filter(c => c.value === null).map(c => c.name);
  if (nulls.length > 0) {
    return refusal("INVALID_CONFIG", `Null value not supported for topic configs: ${nulls.join(",")}`);
  }
  const changes = new Map(topic.configs.map(c => [c.name, { operation: SET, value: c.value }]));
  const resource = { resourceType: RESOURCE_TYPE.topic, resourceName: topic.name };
  const configs = changeConfigs(context, resource, changes, { isNew: true });
  if (isRefusal(configs)) return configs;
  const partitions = topic.assignments.length > 0 ? assigned(image, topic) : placed(context, topic);
  if (isRefusal(partitions)) return partitions;
  const fault = draw.judge({ policy: "createTopic", request: creationOf(context, topic) });
  if (fault !== undefined) return refusal(fault.error, fault.message);
  if (!draw.mutate(partitions.length)) return refusal("THROTTLING_QUOTA_EXCEEDED");
  const topicId = draw.uuid();
  const records: MetadataRecord[] = [
    metadataRecord("TopicRecord", 0, { name: topic.name, topicId }),
    ...configs.records,
  ];
  partitions.forEach((p, i) => records.push(partitionRecord({ id: topicId }, i, p, image)));
  const overrides = new Map(topic.configs.map(c => [c.name, c.value ?? ""]));
  return {
    records,
    reply: {
      name: topic.name,
      topicId,
      errorCode: 0,
      errorMessage: null,
      topicConfigErrorCode: 0,
      numPartitions: partitions.length,
      replicationFactor: entryAt(partitions, 0).replicas.length,
      configs: settings.describeTopic(overrides),
    },
  };
}

/** The topic as a policy sees it. */
function creationOf({ settings }: DecisionContext, topic: NewTopic): TopicCreation {
  const { name, assignments, numPartitions, replicationFactor } = topic;
  const isAssigned = assignments.length > 0;
  return {
    topic: name,
    numPartitions: isAssigned ? null : numPartitions === -1 ? settings.numPartitions : numPartitions,
    replicationFactor: isAssigned ? null : replicationFactor === -1 ? settings.replicationFactor : replicationFactor,
    replicasAssignments: isAssigned
      ? Object.fromEntries(assignments.map(({ partitionIndex, brokerIds }) => [partitionIndex, brokerIds]))
      : null,
    configs: Object.fromEntries(topic.configs.map(({ name: setting, value }) => [setting, value ?? ""])),
  };
}

function placed({ image, settings, draw }: DecisionContext, topic: NewTopic): PartitionImage[] | Refusal {
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    return refusal(
      "INVALID_REPLICATION_FACTOR",
      "Replication factor must be larger than 0, or -1 to use the default value.",
    );
  }
  if (topic.numPartitions < -1 || topic.numPartitions === 0) {
    return refusal("INVALID_PARTITIONS", "Number of partitions was set to an invalid non-positive value.");
  }
  const count = topic.numPartitions === -1 ? settings.numPartitions : topic.numPartitions;
  const factor = topic.replicationFactor === -1 ? settings.replicationFactor : topic.replicationFactor;
  const replicas = placeReplicas(image, count, factor, draw);
  return isRefusal(replicas) ? replicas : begun(image, replicas, factor);
}

function begun(image: MetadataImage, replicas: readonly BrokerId[][], factor: number): PartitionImage[] | Refusal {
  const partitions: PartitionImage[] = [];
  for (const ids of replicas) {
    const partition = newPartition(image, ids);
    if (partition === undefined) {
      return refusal(
        "INVALID_REPLICATION_FACTOR",
        `Unable to replicate the partition ${factor} time(s): All brokers are currently fenced or in controlled shutdown.`,
      );
    }
    partitions.push(partition);
  }
  return partitions;
}

function assigned(image: MetadataImage, topic: NewTopic): PartitionImage[] | Refusal {
  const manual = "A manual partition assignment was specified, but";
  if (topic.replicationFactor !== -1) {
    return refusal("INVALID_REQUEST", `${manual} replication factor was not set to -1.`);
  }
  if (topic.numPartitions !== -1) return refusal("INVALID_REQUEST", `${manual} numPartitions was not set to -1.`);
  const byIndex = new Map<PartitionIndex, PartitionImage>();
  let factor: number | undefined;
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (byIndex.has(partitionIndex)) {
      return refusal(
        "INVALID_REPLICA_ASSIGNMENT",
        `Found multiple manual partition assignments for partition ${partitionIndex}`,
      );
    }
    const partition = chosen(image, brokerIds, { factor, partitionIndex });
    if (isRefusal(partition)) return partition;
    factor = brokerIds.length;
    byIndex.set(partitionIndex, partition);
  }
  const partitions: PartitionImage[] = [];
  for (let i = 0; i < byIndex.size; i++) {
    const partition = byIndex.get(i);
    if (partition === undefined) {
      return refusal("INVALID_REPLICA_ASSIGNMENT", "partitions should be a consecutive 0-based integer sequence");
    }
    partitions.push(partition);
  }
  return partitions;
}

function chosen(
  image: MetadataImage,
  replicas: readonly BrokerId[],
  { factor, partitionIndex }: { factor: number | undefined; partitionIndex: PartitionIndex },
): PartitionImage | Refusal {
  const fault = assignmentFault(image, replicas, factor);
  if (fault !== undefined) return fault;
  return (
    newPartition(image, replicas) ??
    refusal(
      "INVALID_REPLICA_ASSIGNMENT",
      `All brokers specified in the manual partition assignment for partition ${partitionIndex} are fenced or in ` +
        "controlled shutdown.",
    )
  );
}

type Deleted = DeleteTopicsResponse["responses"][number];

/** DeleteTopics, by name (`topicNames` up to version 5, `topics` after) or by id. */
export function deleteTopics(
  { image, draw }: DecisionContext,
  request: DeleteTopicsRequest,
): Decision<DeleteTopicsResponse> {
  const wanted = [...request.topicNames.map(name => ({ name, topicId: ZERO_UUID })), ...request.topics];
  const named = wanted.filter(w => w.topicId === ZERO_UUID);
  const names = duplicates(named.flatMap(w => (w.name === null ? [] : [w.name])));
  const byId = wanted.filter(w => w.name === null).map(w => w.topicId);
  const ids = duplicates(byId);
  const records: MetadataRecord[] = [];
  const responses: Deleted[] = [];
  const told = new Set<string>();
  for (const { name, topicId } of wanted) {
    const twice = name === null ? topicId !== ZERO_UUID && ids.has(topicId) : topicId === ZERO_UUID && names.has(name);
    const key = name ?? topicId;
    if (twice && told.has(key)) continue;
    told.add(key);
    const topic = name === null ? image.topics.get(topicId) : topicNamed(image, name);
    const refused = deletionFault({ name, topicId, twice, exists: topic !== undefined });
    if (refused !== undefined || topic === undefined) {
      responses.push({ name, topicId, ...(refused ?? refusal("UNKNOWN_TOPIC_ID")) });
      continue;
    }
    const both = byId.includes(topic.id) && named.some(w => w.name === topic.name);
    if (both) {
      // Answer the entry with the name only; the entry with the id gets no response.
      const why = "The provided topic name maps to an ID that was already supplied.";
      if (name !== null) responses.push({ name, topicId: topic.id, ...refusal("INVALID_REQUEST", why) });
      continue;
    }
    if (!draw.mutate(topic.partitions.size)) {
      responses.push({ name: topic.name, topicId: topic.id, ...refusal("THROTTLING_QUOTA_EXCEEDED") });
      continue;
    }
    records.push(metadataRecord("RemoveTopicRecord", 0, { topicId: topic.id }));
    responses.push({ name: topic.name, topicId: topic.id, errorCode: 0, errorMessage: null });
  }
  return { records, reply: { throttleTimeMs: 0, responses } };
}

function deletionFault(wanted: {
  name: string | null;
  topicId: string;
  twice: boolean;
  exists: boolean;
}): Refusal | undefined {
  const { name, topicId, twice, exists } = wanted;
  if (name === null && topicId === ZERO_UUID) {
    return refusal("INVALID_REQUEST", "Neither topic name nor id were specified.");
  }
  if (name !== null && topicId !== ZERO_UUID) {
    return refusal("INVALID_REQUEST", "You may not specify both topic name and topic id.");
  }
  if (twice) return refusal("INVALID_REQUEST", `Duplicate topic ${name === null ? "id" : "name"}.`);
  if (exists) return undefined;
  return refusal(name === null ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION");
}

/** CreatePartitions: adds partitions to existing topics. */
export function createPartitions(
  context: DecisionContext,
  request: CreatePartitionsRequest,
): Decision<CreatePartitionsResponse> {
  const twice = duplicates(request.topics.map(t => t.name));
  const records: MetadataRecord[] = [];
  const results: { name: string; errorCode: number; errorMessage: string | null }[] = [];
  for (const name of new Set(request.topics.map(t => t.name))) {
    const topic = request.topics.find(t => t.name === name) as NewPartitions;
    const room = MAX_RECORDS - records.length;
    const made = twice.has(name)
      ? refusal("INVALID_REQUEST", "Duplicate topic name.")
      : addPartitions(context, topic, room);
    if (isRefusal(made)) {
      results.push({ name, ...made });
      continue;
    }
    records.push(...made);
    results.push({ name, errorCode: 0, errorMessage: null });
  }
  return { records: request.validateOnly ? [] : records, reply: { throttleTimeMs: 0, results } };
}

function addPartitions(
  { image, draw }: DecisionContext,
  wanted: NewPartitions,
  room: number,
): MetadataRecord[] | Refusal {
  const topic = topicNamed(image, wanted.name);
  if (topic === undefined) return refusal("UNKNOWN_TOPIC_OR_PARTITION", null);
  const has = topic.partitions.size;
  const additional = wanted.count - has;
  if (additional === 0) return refusal("INVALID_PARTITIONS", `Topic already has ${has} partition(s).`);
  if (additional < 0) {
    return refusal(
      "INVALID_PARTITIONS",
      `The topic ${wanted.name} currently has ${has} partition(s); ${wanted.count} would not be an increase.`,
    );
  }
  if (additional > room) return refusal("POLICY_VIOLATION", "Unable to perform excessively large batch operation.");
  if (wanted.assignments !== null && wanted.assignments.length !== additional) {
    return refusal(
      "INVALID_REPLICA_ASSIGNMENT",
      `Attempted to add ${additional} additional partition(s), but only ${wanted.assignments.length} assignment(s) ` +
        "were specified.",
    );
  }
  if (!draw.mutate(additional)) return refusal("THROTTLING_QUOTA_EXCEEDED");
  const factor = topic.partitions.get(0)?.replicas.length ?? 0;
  let partitions: PartitionImage[] | Refusal;
  if (wanted.assignments === null) {
    const replicas = placeReplicas(image, additional, factor, draw);
    partitions = isRefusal(replicas) ? replicas : begun(image, replicas, factor);
  } else {
    partitions = [];
    for (const [i, { brokerIds }] of wanted.assignments.entries()) {
      const partition = chosen(image, brokerIds, { factor, partitionIndex: has + i });
      if (isRefusal(partition)) return partition;
      partitions.push(partition);
    }
  }
  return isRefusal(partitions) ? partitions : partitions.map((p, i) => partitionRecord(topic, has + i, p, image));
}
