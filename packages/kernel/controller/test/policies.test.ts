import { bootstrapRecords, type PolicyRequest } from "@samsa/controller";
import { METADATA_VERSION, RESOURCE_TYPE } from "@samsa/metadata";
import {
  alterConfigsRequest,
  createTopicsRequest,
  errorOf,
  incrementalAlterConfigsRequest,
  type MetadataRecord,
} from "@samsa/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture } from "./fixture.ts";

let cluster: Fixture;
let asked: PolicyRequest[];
beforeEach(() => {
  cluster = new Fixture();
  cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features: FEATURES }));
  cluster.beat(1, cluster.join(1));
  asked = [];
  cluster.judge = question => {
    asked.push(question);
    return undefined;
  };
});

const topic = (name: string, draft: object = {}) => ({
  ...{ name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] },
  ...draft,
});
const create = (...topics: ReturnType<typeof topic>[]) =>
  cluster
    .run("CreateTopics", createTopicsRequest.defaults({ topics }))
    .topics.map(t => [t.name, errorOf(t.errorCode).name, t.errorMessage]);
const alter = (resourceType: number, resourceName: string, configs: Record<string, string | null>) => {
  const changes = Object.entries(configs).map(([name, value]) => ({
    ...{ name, value, configOperation: value === null ? 1 : 0 },
  }));
  const resources = [{ resourceType, resourceName, configs: changes }];
  return cluster
    .run("IncrementalAlterConfigs", incrementalAlterConfigsRequest.defaults({ resources }))
    .responses.map(r => [errorOf(r.errorCode).name, r.errorMessage]);
};
const types = (): string[] => cluster.log.map(({ type }: MetadataRecord) => type);

describe("what a policy on new topics is asked", () => {
  test("numbers, with the defaults of the cluster", () => {
    create(topic("a", { configs: [{ name: "retention.ms", value: "5" }] }), topic("b", { numPartitions: 7 }));
    expect(asked.filter(({ policy }) => policy === "createTopic").map(({ request }) => request)).toEqual([
      {
        ...{ topic: "a", numPartitions: 2, replicationFactor: 1, replicasAssignments: null },
        configs: { "retention.ms": "5" },
      },
      { topic: "b", numPartitions: 7, replicationFactor: 1, replicasAssignments: null, configs: {} },
    ]);
  });

  test("assignments instead of numbers", () => {
    create(topic("a", { assignments: [{ partitionIndex: 0, brokerIds: [1] }] }));
    expect(asked).toEqual([
      {
        policy: "createTopic",
        request: {
          ...{ topic: "a", numPartitions: null, replicationFactor: null },
          ...{ replicasAssignments: { 0: [1] }, configs: {} },
        },
      },
    ]);
  });

  test("nothing about topics that cannot be made", () => {
    create(topic("a", { replicationFactor: 3 }), topic("b", { configs: [{ name: "bad", value: "x" }] }), topic(".."));
    expect(asked).toEqual([]);
  });

  test("the settings of a new topic are a change, which the other policy sees first", () => {
    create(topic("a", { configs: [{ name: "retention.ms", value: "5" }] }), topic("b"));
    expect(asked.map(({ policy }) => policy)).toEqual(["alterConfig", "createTopic", "createTopic"]);
    expect(asked[0].request).toEqual({ resource: { type: "TOPIC", name: "a" }, configs: { "retention.ms": "5" } });
  });
});

test("an objection concerns its topic alone, and is made before the quota is charged", () => {
  let taken = 0;
  cluster.mutate = partitions => {
    taken += partitions;
    return true;
  };
  cluster.judge = ({ policy, request }) =>
    policy === "createTopic" && request.topic === "a" ? { error: "POLICY_VIOLATION", message: "no a" } : undefined;
  expect(create(topic("a"), topic("b"))).toEqual([
    ["a", "POLICY_VIOLATION", "no a"],
    ["b", "NONE", null],
  ]);
  expect(taken).toBe(2);
  expect([...cluster.controller.image.topicIds.keys()]).toEqual(["b"]);
});

describe("what a policy on settings is asked", () => {
  test("the new values, of which those that do not change are left out for a topic but not for a broker", () => {
    create(topic("a", { configs: [{ name: "retention.ms", value: "5" }] }));
    asked.length = 0;
    alter(RESOURCE_TYPE.topic, "a", { "retention.ms": "5", "segment.ms": "7", "flush.ms": null });
    alter(RESOURCE_TYPE.topic, "a", { "segment.ms": null });
    alter(RESOURCE_TYPE.broker, "", { "log.retention.ms": null });
    alter(RESOURCE_TYPE.group, "g", { "consumer.session.timeout.ms": "50000" });
    expect(asked.map(({ request }) => request)).toEqual([
      { resource: { type: "TOPIC", name: "a" }, configs: { "segment.ms": "7" } },
      { resource: { type: "TOPIC", name: "a" }, configs: { "segment.ms": null } },
      { resource: { type: "BROKER", name: "" }, configs: { "log.retention.ms": null } },
      { resource: { type: "GROUP", name: "g" }, configs: { "consumer.session.timeout.ms": "50000" } },
    ]);
  });

  test("nothing of what AlterConfigs deletes because it does not name it", () => {
    create(topic("a", { configs: [{ name: "retention.ms", value: "5" }] }));
    asked.length = 0;
    const resources = [{ resourceType: 2, resourceName: "a", configs: [{ name: "segment.ms", value: "7" }] }];
    cluster.run("AlterConfigs", alterConfigsRequest.defaults({ resources }));
    expect(asked.map(({ request }) => request.configs)).toEqual([{ "segment.ms": "7" }]);
  });

  test("nothing about settings or resources that are not valid", () => {
    expect(alter(RESOURCE_TYPE.topic, "missing", { "retention.ms": "5" })[0][0]).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    create(topic("a"));
    asked.length = 0;
    expect(alter(RESOURCE_TYPE.topic, "a", { bad: "5" })[0][0]).toBe("INVALID_CONFIG");
    expect(asked).toEqual([]);
  });
});

test("an objection to settings leaves no record, whatever its error", () => {
  create(topic("a"));
  const before = types();
  cluster.judge = () => ({ error: "INVALID_CONFIG", message: null });
  expect(alter(RESOURCE_TYPE.topic, "a", { "retention.ms": "5" })).toEqual([["INVALID_CONFIG", null]]);
  expect(types()).toEqual(before);
});

test("a request that is only considered changes nothing", () => {
  const request = createTopicsRequest.defaults({ topics: [topic("a")] });
  expect(cluster.controller.consider("CreateTopics", request, cluster.draw()).records).toHaveLength(3);
  expect(cluster.controller.image.topicIds.size).toBe(0);
});
