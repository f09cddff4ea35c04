import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { KafkaError, type TransactionCall } from "../../src/index.ts";
import { TOPIC } from "./model-cluster.ts";
import { ModelCoordinator } from "./model-coordinator.ts";
import { World } from "./producer-world.ts";

const GROUP = { groupId: "group", generationId: 3, memberId: "member", groupInstanceId: "instance" };
const OFFSETS = [{ topic: TOPIC, partition: 0, offset: 7, leaderEpoch: 2, metadata: "m" }];

/** A producer in a transaction of the protocol's `version`. */
class Scene {
  readonly world: World;
  readonly coordinator: ModelCoordinator;
  /** Requests to the coordinator so far. */
  readonly seen: TransactionCall[] = [];

  constructor(version = 2, options: { initProducerIdVersion?: number } = {}) {
    const small = {
      batchBytes: 1,
      retryBackoffMs: 50,
      retryBackoffMaxMs: 50,
      requestTimeoutMs: 300,
      deliveryTimeoutMs: 1000,
    };
    this.world = new World({ ...small, transactionalId: "t" }, { brokers: 1, partitions: 2, limit: 1 << 20 });
    this.coordinator = new ModelCoordinator(this.world.cluster, version === 2);
    const { core } = this.world;
    core.learn({ transactionVersion: version, initProducerIdVersion: options.initProducerIdVersion ?? 4 });
    expect(core.initTransactions(0)).toBeUndefined();
    this.coordinate();
    expect(core.state).toBe("READY");
    expect(core.beginTransaction()).toBeUndefined();
  }

  /** Lets the coordinator answer what there is, with an error if one is given. */
  coordinate(errorCode = 0): TransactionCall | undefined {
    this.world.poll();
    const call = this.world.calls.shift();
    if (call === undefined) return undefined;
    this.seen.push(call);
    const answer = errorCode === 0 ? this.coordinator.handle(call) : ModelCoordinator.refusal(call, errorCode);
    this.world.core.transactionAnswered(call.id, answer, this.world.now);
    this.world.poll();
    return call;
  }

  /** Sends a record and lets it be written. */
  write(value: string): void {
    expect(this.world.send(value, 0)).not.toBeInstanceOf(KafkaError);
    this.world.poll();
    if (this.world.calls.length > 0) this.coordinate();
    this.world.handle(0);
    this.world.answer(0);
    this.world.poll();
  }

  outcome(token: number): string | undefined {
    const error = this.world.settled.get(token);
    if (!this.world.settled.has(token)) return undefined;
    return error === undefined
      ? "done"
      : `${error.name}${error.fatal ? " fatal" : error.abortable ? " abortable" : ""}`;
  }
}

describe("requests", () => {
  test("of version 2 add partitions and offsets by themselves, and each end raises the epoch", () => {
    const scene = new Scene();
    const { core } = scene.world;
    scene.write("a");
    expect(core.sendOffsets(1, OFFSETS, GROUP)).toBeUndefined();
    scene.coordinate();
    expect([scene.outcome(1), core.commitTransaction(2)]).toEqual(["done", undefined]);
    scene.coordinate();
    expect([scene.outcome(2), core.state]).toEqual(["done", "READY"]);
    expect(scene.seen.map(({ api, maxVersion }) => [api, maxVersion])).toEqual([
      ["InitProducerId", 5],
      ["TxnOffsetCommit", 6],
      ["EndTxn", 5],
    ]);
    expect(scene.seen[1]?.coordinator).toEqual({ type: "group", key: "group" });
    expect(scene.seen[1]?.request).toMatchObject({
      memberId: "member",
      generationIdOrMemberEpoch: 3,
      groupInstanceId: "instance",
    });
    core.beginTransaction();
    scene.write("b");
    expect(scene.world.cluster.partitions[0]?.log.map(({ producerEpoch }) => producerEpoch)).toEqual([0, 1]);
  });

  test("of version 1 name partitions and groups first, and stay at old versions", () => {
    const scene = new Scene(1);
    const { core, cluster } = scene.world;
    scene.world.send("a", 0);
    scene.world.poll();
    // The batch waits until its partition is part of the transaction.
    expect(cluster.connection(0).sent).toEqual([]);
    scene.coordinate();
    scene.world.poll();
    expect(cluster.connection(0).sent.map(({ call }) => call.maxVersion)).toEqual([11]);
    core.sendOffsets(1, OFFSETS, GROUP);
    core.commitTransaction(2);
    scene.coordinate();
    scene.coordinate();
    // The end waits for the batch.
    expect([scene.outcome(1), scene.world.calls.length]).toEqual(["done", 0]);
    scene.world.handle(0);
    scene.world.answer(0);
    scene.coordinate();
    expect([scene.outcome(2), scene.coordinator.offsets.get(0)]).toEqual(["done", 7]);
    expect(scene.seen.map(({ api, maxVersion }) => [api, maxVersion])).toEqual([
      ["InitProducerId", 5],
      ["AddPartitionsToTxn", 3],
      ["AddOffsetsToTxn", 4],
      ["TxnOffsetCommit", 4],
      ["EndTxn", 4],
    ]);
  });

  test("an empty transaction asks nobody", () => {
    for (const version of [1, 2]) {
      const scene = new Scene(version);
      scene.world.core.commitTransaction(1);
      expect([scene.coordinate(), scene.outcome(1)]).toEqual([undefined, "done"]);
    }
  });

  test("the first partition is added again after 20 ms while the last transaction ends, others after the back-off", () => {
    const scene = new Scene(1);
    scene.world.send("a", 0);
    scene.coordinate(Errors.CONCURRENT_TRANSACTIONS.code);
    expect(scene.world.core.nextDeadline()).toBe(20);
    scene.world.now = 20;
    scene.coordinate();
    scene.world.send("b", 1);
    scene.coordinate(Errors.CONCURRENT_TRANSACTIONS.code);
    expect(scene.world.core.nextDeadline()).toBe(70);
  });

  test("an upgrade to version 2 takes effect after a transaction, with a new epoch", () => {
    const scene = new Scene(1);
    scene.write("a");
    scene.world.core.learn({ transactionVersion: 2, initProducerIdVersion: 4 });
    scene.world.core.commitTransaction(1);
    expect(scene.coordinate()?.maxVersion).toBe(4);
    expect([scene.outcome(1), scene.world.core.state]).toEqual([undefined, "INITIALIZING"]);
    const bump = scene.coordinate();
    expect(bump?.request).toMatchObject({ producerId: 7n, producerEpoch: 0 });
    expect([scene.outcome(1), scene.world.core.state]).toEqual(["done", "READY"]);
  });
});

describe("errors", () => {
  const abort = (scene: Scene): string | undefined => {
    expect(scene.world.core.abortTransaction(9)).toBeUndefined();
    for (let i = 0; i < 4 && scene.outcome(9) === undefined; i++) {
      scene.world.now += 100;
      scene.coordinate();
    }
    return scene.outcome(9);
  };

  test.each([
    [1, "AddPartitionsToTxn", Errors.TOPIC_AUTHORIZATION_FAILED, "abortable"],
    [1, "AddPartitionsToTxn", Errors.INVALID_PRODUCER_EPOCH, "PRODUCER_FENCED fatal"],
    [1, "AddPartitionsToTxn", Errors.INVALID_TXN_STATE, "fatal"],
    [1, "AddPartitionsToTxn", Errors.UNKNOWN_PRODUCER_ID, "abortable"],
    [1, "AddPartitionsToTxn", Errors.OPERATION_NOT_ATTEMPTED, "abortable"],
    [1, "AddOffsetsToTxn", Errors.GROUP_AUTHORIZATION_FAILED, "abortable"],
    [1, "AddOffsetsToTxn", Errors.INVALID_PRODUCER_ID_MAPPING, "fatal"],
    [2, "TxnOffsetCommit", Errors.ILLEGAL_GENERATION, "COMMIT_FAILED abortable"],
    [2, "TxnOffsetCommit", Errors.FENCED_INSTANCE_ID, "abortable"],
    [2, "TxnOffsetCommit", Errors.UNSUPPORTED_FOR_MESSAGE_FORMAT, "fatal"],
    [2, "TxnOffsetCommit", Errors.TRANSACTION_ABORTABLE, "abortable"],
    [2, "EndTxn", Errors.PRODUCER_FENCED, "PRODUCER_FENCED fatal"],
    [2, "EndTxn", Errors.TRANSACTION_ABORTABLE, "abortable"],
    [2, "EndTxn", Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "fatal"],
  ] as const)("version %i: %s with %o", (version, api, error, expected) => {
    const scene = new Scene(version);
    const { core } = scene.world;
    if (api === "AddPartitionsToTxn") scene.world.send("a", 0);
    else {
      scene.write("a");
      if (api !== "EndTxn") core.sendOffsets(1, OFFSETS, GROUP);
    }
    if (api === "AddPartitionsToTxn") core.commitTransaction(1);
    if (api === "EndTxn") core.commitTransaction(1);
    expect(scene.coordinate(error.code)?.api).toBe(api);
    expect(scene.outcome(1)).toBe(expected.includes("_") ? expected : `${error.name} ${expected}`);
    const isFatal = expected.endsWith("fatal");
    expect(core.state).toBe(isFatal ? "FATAL_ERROR" : "ABORTABLE_ERROR");
    expect(scene.world.send("b", 0)).toMatchObject({ fatal: isFatal, abortable: !isFatal });
    if (isFatal) expect(core.abortTransaction(5)).toMatchObject({ fatal: true });
    else {
      expect(abort(scene)).toBe("done");
      expect(core.beginTransaction()).toBeUndefined();
    }
  });

  test.each(["COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS"] as const)(
    "%s is asked again",
    name => {
      const scene = new Scene();
      scene.write("a");
      scene.world.core.commitTransaction(1);
      scene.coordinate(Errors[name].code);
      scene.world.now += 49;
      expect(scene.coordinate()).toBeUndefined();
      scene.world.now += 1;
      scene.coordinate();
      expect(scene.outcome(1)).toBe("done");
    },
  );

  test("only what the coordinator has not taken is committed again", () => {
    const scene = new Scene();
    const { core } = scene.world;
    const [offset] = OFFSETS;
    core.sendOffsets(
      1,
      [...OFFSETS, { ...(offset ?? scene.world.sent[0]), partition: 1 } as (typeof OFFSETS)[number]],
      GROUP,
    );
    scene.world.poll();
    const call = scene.world.calls.shift();
    const partitions = [0, 1].map(partitionIndex => ({
      partitionIndex,
      errorCode: partitionIndex === 0 ? 0 : Errors.NOT_COORDINATOR.code,
    }));
    const topics = [{ name: TOPIC, topicId: scene.world.view.topic(TOPIC)?.id as never, partitions }];
    core.transactionAnswered(call?.id ?? -1, { api: "TxnOffsetCommit", response: { throttleTimeMs: 0, topics } }, 0);
    scene.world.now = 50;
    scene.world.poll();
    const again = scene.world.calls[0];
    if (again?.api !== "TxnOffsetCommit") throw new Error("the offsets are not committed again");
    expect(again.request.topics.flatMap(topic => topic.partitions.map(({ partitionIndex }) => partitionIndex))).toEqual(
      [1],
    );
  });

  test("a batch that fails makes the transaction abortable, and the next one begins with a new epoch", () => {
    for (const version of [1, 2]) {
      const scene = new Scene(version);
      scene.write("bad");
      expect(scene.world.core.state).toBe("ABORTABLE_ERROR");
      expect(abort(scene)).toBe("done");
      scene.world.core.beginTransaction();
      scene.write("good");
      const [record] = scene.world.cluster.partitions[0]?.log ?? [];
      expect([record?.value, record?.producerEpoch]).toEqual(["good", 1]);
    }
  });

  test("a record that cannot be sent makes the transaction abortable, without a new epoch", () => {
    const scene = new Scene(1, { initProducerIdVersion: 2 });
    scene.write("a");
    expect(scene.world.send("x".repeat(2_000_000), 0)).toMatchObject({ name: "RECORD_TOO_LARGE" });
    expect(scene.world.core.commitTransaction(1)).toMatchObject({ name: "RECORD_TOO_LARGE", abortable: true });
    expect(abort(scene)).toBe("done");
    expect(scene.seen.at(-1)?.api).toBe("EndTxn");
    scene.world.core.beginTransaction();
    scene.world.core.sendFailed(new KafkaError("TIMED_OUT", "no metadata"));
    expect(scene.world.core.state).toBe("ABORTABLE_ERROR");
  });

  test("a batch that fails is the end if the epoch cannot be raised", () => {
    const scene = new Scene(1, { initProducerIdVersion: 2 });
    scene.write("bad");
    expect(scene.world.core.state).toBe("FATAL_ERROR");
  });

  test("an abort rejects the records that have not left, and waits for those on the wire", () => {
    const scene = new Scene();
    scene.write("warm");
    const records = Array.from({ length: 7 }, (_, i) => scene.world.send(`r${i}`, 0));
    scene.world.poll();
    scene.world.core.abortTransaction(9);
    scene.world.poll();
    const names = records.map(record => (record instanceof KafkaError ? "refused" : record?.error?.name));
    expect(names).toEqual([...Array.from({ length: 5 }), "TRANSACTION_ABORTED", "TRANSACTION_ABORTED"]);
    expect(scene.world.calls).toEqual([]);
    scene.world.disconnect(0, 0, false);
    scene.coordinate();
    expect(scene.outcome(9)).toBe("done");
  });

  test("in version 1 sequences that an aborted transaction has used up need a new epoch", () => {
    const scene = new Scene(1);
    scene.write("warm");
    scene.world.send("lost", 0);
    scene.world.poll();
    scene.world.disconnect(0, 0, false);
    expect(abort(scene)).toBe("done");
    expect(scene.seen.map(({ api }) => api).slice(-2)).toEqual(["EndTxn", "InitProducerId"]);
    scene.world.core.beginTransaction();
    scene.write("next");
    expect(scene.world.sent.at(-1)).toMatchObject({ value: "next", offset: 1, error: undefined });
  });

  test("an end without an answer is asked for again, after a search for the coordinator", () => {
    const scene = new Scene();
    scene.write("a");
    scene.world.core.commitTransaction(1);
    scene.world.poll();
    const call = scene.world.calls.shift();
    if (call === undefined) throw new Error("nobody ends the transaction");
    // The coordinator has ended it, but the answer is lost.
    scene.coordinator.handle(call);
    scene.world.core.transactionFailed(call.id, new KafkaError("DISCONNECTED", "the connection was lost"), 0);
    const effects = scene.world.core.poll(0);
    expect(effects).toEqual([{ type: "findCoordinator", coordinator: { type: "transaction", key: "t" } }]);
    scene.world.now = 50;
    scene.coordinate();
    expect([scene.outcome(1), scene.world.cluster.partitions[0]?.log[0]?.isCommitted]).toEqual(["done", true]);
  });

  test("a transactional id that is not allowed can be tried again", () => {
    const world = new World({ transactionalId: "t" });
    world.core.initTransactions(0);
    world.poll();
    world.initProducerId(Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code);
    world.poll();
    expect([world.settled.get(0)?.name, world.core.state]).toEqual([
      "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
      "UNINITIALIZED",
    ]);
    world.core.initTransactions(1);
    world.poll();
    world.initProducerId();
    world.poll();
    expect([world.settled.has(1), world.settled.get(1), world.core.state]).toEqual([true, undefined, "READY"]);
  });

  test("the search for a coordinator ends transactions with its own errors", () => {
    const scene = new Scene();
    scene.write("a");
    scene.world.core.sendOffsets(1, OFFSETS, GROUP);
    scene.world.poll();
    const error = KafkaError.of(Errors.GROUP_AUTHORIZATION_FAILED.code, "group");
    scene.world.core.transactionFailed(scene.world.calls.shift()?.id ?? -1, error, 0);
    scene.world.poll();
    expect(scene.outcome(1)).toBe("GROUP_AUTHORIZATION_FAILED abortable");
  });
});

describe("operations", () => {
  test("that are not possible are refused, and change nothing", () => {
    const scene = new Scene();
    const { core } = scene.world;
    expect(core.beginTransaction()).toMatchObject({ name: "ILLEGAL_STATE" });
    expect(core.initTransactions(5)).toMatchObject({ name: "ILLEGAL_STATE" });
    expect(core.sendOffsets(6, OFFSETS, { ...GROUP, groupId: "" })).toMatchObject({ name: "INVALID_ARGUMENT" });
    expect(core.state).toBe("IN_TRANSACTION");
    const idle = new World({});
    expect(idle.core.beginTransaction()).toMatchObject({ name: "ILLEGAL_STATE" });
    const fresh = new World({ transactionalId: "t" });
    expect(fresh.send("a")).toMatchObject({ name: "ILLEGAL_STATE" });
  });

  test("that nobody waits for any more must be repeated, and give the outcome then", () => {
    const scene = new Scene();
    const { core } = scene.world;
    scene.write("a");
    core.commitTransaction(1);
    scene.world.poll();
    core.abandon(1);
    expect(core.beginTransaction()).toMatchObject({ name: "ILLEGAL_STATE" });
    scene.coordinate();
    expect([core.state, scene.outcome(1)]).toEqual(["READY", undefined]);
    expect(core.beginTransaction()).toMatchObject({ name: "ILLEGAL_STATE" });
    expect(core.commitTransaction(2)).toBeUndefined();
    scene.world.poll();
    expect([scene.outcome(2), core.beginTransaction()]).toEqual(["done", undefined]);
  });

  test("a close aborts the open transaction first", () => {
    const scene = new Scene();
    scene.write("a");
    scene.world.core.close(8);
    expect(scene.coordinate()?.request).toMatchObject({ committed: false });
    scene.world.poll();
    expect(scene.outcome(8)).toBe("done");
    expect(scene.world.cluster.partitions[0]?.log[0]?.isCommitted).toBe(false);
  });
});
