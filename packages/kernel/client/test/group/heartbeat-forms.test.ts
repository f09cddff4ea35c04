import { uuidFromBytes, type Uuid } from "@samsa/base";
import { type ErrorName, Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConsumerHeartbeatForm, type HeartbeatFields, ShareHeartbeatForm } from "../../src/group/heartbeat-forms.ts";
import {
  idPartitions,
  type IdAssignment,
  listed,
  nextAssignment,
  NO_ASSIGNMENT,
  sameAssignment,
} from "../../src/group/id-assignment.ts";
import {
  type FaultTable,
  HEARTBEAT_FAULTS,
  JOIN_FAULTS,
  MEMBER_EPOCH_FAULTS,
  type Reaction,
  reactionTo,
  SYNC_FAULTS,
} from "../../src/group/member-faults.ts";

const SETTINGS = {
  ...{ groupId: "g", instanceId: null, rack: "r", rebalanceTimeoutMs: 5000, commitsBeforeRevoke: false },
  ...{ progressTimeoutMs: undefined, backoff: { initialMs: 100, maxMs: 1000, jitter: 0 }, serverAssignor: "uniform" },
};
const id = (byte: number): Uuid => uuidFromBytes(new Uint8Array(16).fill(byte));

const topicLists = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 });
const assignments = fc.uniqueArray(
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 })),
  {
    ...{ selector: ([topic]) => topic, maxLength: 3 },
  },
);

type Step =
  | { readonly do: "beat"; readonly isJoining: boolean; readonly isLost: boolean }
  | { readonly do: "subscribe"; readonly topics: readonly string[]; readonly regex: string | undefined }
  | { readonly do: "assign"; readonly partitions: readonly (readonly [number, readonly number[]])[] };
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({
      do: fc.constant("beat" as const),
      isJoining: fc.constant(false),
      isLost: fc.constantFrom(false, false, true),
    }),
    fc.record({
      do: fc.constant("beat" as const),
      isJoining: fc.constantFrom(false, false, true),
      isLost: fc.constant(false),
    }),
    fc.record({
      do: fc.constant("subscribe" as const),
      topics: topicLists,
      regex: fc.constantFrom(undefined, undefined, "x.*", "y"),
    }),
    fc.record({ do: fc.constant("assign" as const), partitions: assignments }),
  ),
  { maxLength: 30, size: "max" },
);

describe("heartbeats of the consumer protocol", () => {
  test("tell a coordinator that merges them all that the member says, and nothing twice", () => {
    fc.assert(
      fc.property(steps, all => {
        const form = new ConsumerHeartbeatForm(SETTINGS);
        let subscription: { topics: readonly string[]; regex?: string } = { topics: [] };
        let assigned: IdAssignment = NO_ASSIGNMENT;
        /** Facts that the coordinator has heard; undefined: nothing of this member. */
        let heard: { topics: readonly string[]; regex: string; owned: string } | undefined;
        let isFull = true;
        for (const step of all) {
          if (step.do === "subscribe") {
            subscription =
              step.regex === undefined ? { topics: step.topics } : { topics: step.topics, regex: step.regex };
            continue;
          }
          if (step.do === "assign") {
            const topics = step.partitions.map(([topic, partitions]) => ({ topicId: id(topic), partitions }));
            assigned = nextAssignment(assigned, idPartitions(topics));
            continue;
          }
          const fields: HeartbeatFields = {
            memberId: "m",
            epoch: 3,
            subscription,
            assigned,
            isJoining: step.isJoining,
          };
          const made = form.build(fields);
          if (made.api !== "ConsumerGroupHeartbeat") throw new Error("another form");
          const { request } = made;
          expect([request.groupId, request.memberId, request.memberEpoch]).toEqual(["g", "m", 3]);
          if (step.isLost) {
            // The connection was lost: the coordinator may have heard it or not.
            form.reset();
            isFull = true;
            continue;
          }
          const owned = JSON.stringify(listed(assigned.partitions));
          const names = [...new Set(subscription.topics)].toSorted();
          if (isFull || step.isJoining) {
            expect(request).toMatchObject({ rebalanceTimeoutMs: 5000, serverAssignor: "uniform" });
            for (const field of [request.subscribedTopicNames, request.topicPartitions]) expect(field).not.toBeNull();
          } else {
            expect([request.rebalanceTimeoutMs, request.serverAssignor]).toEqual([-1, null]);
            // Only what the coordinator does not have.
            if (heard !== undefined && String(names) === String(heard.topics))
              expect(request.subscribedTopicNames).toBeNull();
          }
          expect(request.rackId).toBe(step.isJoining ? "r" : null);
          heard = {
            topics: request.subscribedTopicNames ?? heard?.topics ?? [],
            regex: request.subscribedTopicRegex ?? heard?.regex ?? "",
            owned: request.topicPartitions === null ? (heard?.owned ?? "[]") : JSON.stringify(request.topicPartitions),
          };
          isFull = false;
          expect(heard).toEqual({ topics: names, regex: subscription.regex ?? "", owned });
          const again = form.build({ ...fields, isJoining: false });
          if (again.api !== "ConsumerGroupHeartbeat") throw new Error("another form");
          const { subscribedTopicNames, subscribedTopicRegex, topicPartitions } = again.request;
          expect([subscribedTopicNames, subscribedTopicRegex, topicPartitions]).toEqual([null, null, null]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("never name a pattern that there was not, since old brokers know none", () => {
    const form = new ConsumerHeartbeatForm(SETTINGS);
    const beat = (regex?: string): unknown => {
      const subscription = regex === undefined ? { topics: ["a"] } : { topics: ["a"], regex };
      const made = form.build({ memberId: "m", epoch: 0, subscription, assigned: NO_ASSIGNMENT, isJoining: true });
      return made.api === "ConsumerGroupHeartbeat" ? made.request.subscribedTopicRegex : undefined;
    };
    expect([beat(), beat("x"), beat(), beat()]).toEqual([null, "x", "", ""]);
  });

  test.each<[string | null, "leave" | "remain" | "default", number | undefined]>([
    [null, "leave", -1],
    [null, "default", -1],
    [null, "remain", undefined],
    ["i", "leave", -1],
    ["i", "default", -2],
    ["i", "remain", -2],
  ])("of instance %s end with mode %s in epoch %s", (instanceId, mode, memberEpoch) => {
    const farewell = new ConsumerHeartbeatForm({ ...SETTINGS, instanceId }).farewell("m", mode as never);
    if (memberEpoch === undefined) expect(farewell).toBeUndefined();
    else {
      expect(farewell?.request).toEqual({
        ...{ groupId: "g", memberId: "m", memberEpoch, instanceId, rackId: null, rebalanceTimeoutMs: -1 },
        ...{ subscribedTopicNames: null, subscribedTopicRegex: null, serverAssignor: null, topicPartitions: null },
      });
    }
  });
});

describe("heartbeats of share groups", () => {
  test("tell the topics when they change, and the rack at first", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(topicLists, fc.constantFrom("beat", "lost", "join")), { maxLength: 20, size: "max" }),
        all => {
          const form = new ShareHeartbeatForm(SETTINGS);
          let heard: readonly string[] | undefined;
          let isFull = true;
          for (const [topics, what] of all) {
            const made = form.build({
              memberId: "m",
              epoch: 2,
              subscription: { topics },
              assigned: NO_ASSIGNMENT,
              isJoining: what === "join",
            });
            if (made.api !== "ShareGroupHeartbeat") throw new Error("another form");
            const names = [...new Set(topics)].toSorted();
            const isNew = isFull || what === "join";
            const expected = isNew || String(heard) !== String(names) ? names : null;
            expect(made.request).toEqual({
              ...{ groupId: "g", memberId: "m", memberEpoch: 2 },
              ...{ rackId: isNew ? "r" : null, subscribedTopicNames: expected },
            });
            heard = names;
            isFull = what === "lost";
            if (isFull) form.reset();
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("end unless the member just stops", () => {
    const form = new ShareHeartbeatForm(SETTINGS);
    expect(form.farewell("m", "remain")).toBeUndefined();
    expect(form.farewell("m", "leave")).toEqual({
      api: "ShareGroupHeartbeat",
      request: { groupId: "g", memberId: "m", memberEpoch: -1, rackId: null, subscribedTopicNames: null },
    });
  });
});

describe("assignments by topic id", () => {
  const partitionsOf = (all: readonly (readonly [number, readonly number[]])[]) =>
    idPartitions(all.map(([topic, partitions]) => ({ topicId: id(topic), partitions })));

  test("are the same whatever the order of their partitions and topics", () => {
    fc.assert(
      fc.property(assignments, assignments, (one, other) => {
        const canonical = (all: typeof one): string =>
          JSON.stringify(
            [1, 2, 3].map(topic => [0, 1, 2, 3].filter(index => new Map(all).get(topic)?.includes(index))),
          );
        const isSame = canonical(one) === canonical(other);
        const [a, b] = [
          { version: 1, partitions: partitionsOf(one) },
          { version: 1, partitions: partitionsOf(other) },
        ];
        expect(sameAssignment(a, b)).toBe(isSame);
        expect(sameAssignment(a, { ...a, version: 2 })).toBe(false);
        expect(sameAssignment(a, { version: 1, partitions: partitionsOf(one.toReversed()) })).toBe(true);
        const next = nextAssignment(a, b.partitions);
        if (isSame) expect(next).toBe(a);
        else expect(next).toEqual({ version: 2, partitions: b.partitions });
      }),
      { numRuns: 300 },
    );
  });

  test("have no topic without partitions, and sort those that there are", () => {
    const partitions = partitionsOf([
      [1, [10, 9, 2]],
      [2, []],
    ]);
    expect(listed(partitions)).toEqual([{ topicId: id(1), partitions: [2, 9, 10] }]);
    // The first assignment is one, even if it is empty.
    expect(nextAssignment(NO_ASSIGNMENT, new Map())).toEqual({ version: 0, partitions: new Map() });
  });
});

describe("reactions of members", () => {
  const lookup = { COORDINATOR_NOT_AVAILABLE: "findCoordinator", NOT_COORDINATOR: "findCoordinator" } as const;
  const classic = {
    UNKNOWN_MEMBER_ID: "loseMembership",
    ILLEGAL_GENERATION: "loseGeneration",
    REBALANCE_IN_PROGRESS: "rejoin",
  } as const;

  test.each<[string, FaultTable, Readonly<Partial<Record<ErrorName, Reaction>>>]>([
    [
      "JoinGroup",
      JOIN_FAULTS,
      { ...lookup, ...classic, COORDINATOR_LOAD_IN_PROGRESS: "retry", MEMBER_ID_REQUIRED: "takeMemberId" },
    ],
    ["SyncGroup", SYNC_FAULTS, { ...lookup, ...classic, COORDINATOR_LOAD_IN_PROGRESS: "rejoin" }],
    ["Heartbeat", HEARTBEAT_FAULTS, { ...lookup, ...classic, COORDINATOR_LOAD_IN_PROGRESS: "retry" }],
    [
      "heartbeats with epochs",
      MEMBER_EPOCH_FAULTS,
      {
        ...lookup,
        ...{ COORDINATOR_LOAD_IN_PROGRESS: "retry", FENCED_MEMBER_EPOCH: "loseMembership" },
        ...{ UNKNOWN_MEMBER_ID: "loseMembership", TOPIC_AUTHORIZATION_FAILED: "report" },
      },
    ],
  ])("to errors of %s are those of Kafka, and by whether an error may be retried", (_api, table, expected) => {
    for (const name of Object.keys(Errors) as ErrorName[]) {
      const { code, retriable } = Errors[name];
      if (code !== 0)
        expect([name, reactionTo(code, table)]).toEqual([name, expected[name] ?? (retriable ? "retry" : "fatal")]);
    }
    expect(reactionTo(12_345, table), "an error of a later release").toBe("fatal");
  });
});
