import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { DiskError } from "@samsa/base";
import { errorOf } from "@samsa/protocol";
import { describe, expect, test, vi } from "vitest";
import { Bench, broken, path, useDirectories } from "./dirs-bench.ts";
import { logOf } from "./logs.ts";

useDirectories();

const logsIn = (name: string): string[] => readdirSync(path(name)).filter(entry => /-\d+$/.test(entry));

describe("a broker with two log directories", () => {
  test("spreads partitions, and has the metadata say where they are", async () => {
    const bench = await Bench.start();
    await bench.create("t", 4);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    expect(bench.assigned("t")).toEqual(["a", "b", "a", "b"]);
    expect([logsIn("a").sort(), logsIn("b").sort()]).toEqual([
      ["__cluster_metadata-0", "t-0", "t-2"],
      ["t-1", "t-3"],
    ]);
    const broker = bench.image().brokers.get(1);
    expect(broker?.logDirs).toEqual(bench.broker.dirs.opened.map(d => d.directoryId).sort());
    await bench.stop();
    const again = await Bench.start();
    expect(again.assigned("t")).toEqual(["a", "b", "a", "b"]);
  });

  test("serves one when the other fails, tells who asks for the rest, and serves all when it is back", async () => {
    const bench = await Bench.start();
    await bench.create("t", 4);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    for (const index of [0, 1, 2, 3]) expect(await bench.produce("t", index)).toBe("NONE");
    broken.add(path("b"));
    expect(await bench.produce("t", 1)).toBe("KAFKA_STORAGE_ERROR");
    expect(await bench.produce("t", 3)).toBe("KAFKA_STORAGE_ERROR");
    expect(await bench.produce("t", 0)).toBe("NONE");
    await bench.until(() => bench.image().brokers.get(1)?.logDirs.length === 1);
    const offline = { error: "LEADER_NOT_AVAILABLE", leaderId: -1, offlineReplicas: [1] };
    const served = { error: "NONE", leaderId: 1, offlineReplicas: [] };
    expect(await bench.partitions("t")).toEqual([served, offline, served, offline]);
    expect(bench.node.healthy).toBe(true);
    // New partitions go to the remaining directory.
    expect(await bench.create("u", 2)).toBe("NONE");
    await bench.until(() => !bench.assigned("u").includes(undefined));
    expect(bench.assigned("u")).toEqual(["a", "a"]);
    await bench.stop();

    // The directory is still broken at the next start: the rest is served, and missing logs are not created again.
    const without = await Bench.start();
    expect(await without.partitions("t")).toEqual([served, offline, served, offline]);
    expect(await without.produce("t", 1)).toBe("KAFKA_STORAGE_ERROR");
    expect(await without.produce("t", 2)).toBe("NONE");
    expect(logsIn("a")).not.toContain("t-1");
    await without.stop();

    broken.clear();
    const whole = await Bench.start();
    expect(await whole.partitions("t")).toEqual([served, served, served, served]);
    for (const index of [0, 1, 2, 3]) expect(logOf(whole.broker.topics.partition("t", index)).startOffset).toBe(0);
    expect([0, 1, 2, 3].map(i => logOf(whole.broker.topics.partition("t", i)).endOffset)).toEqual([2, 1, 2, 1]);
    expect(await whole.produce("t", 1)).toBe("NONE");
  });

  test("ends when the directory of the metadata fails, and says so", async () => {
    const bench = await Bench.start();
    await bench.create("t", 2);
    broken.add(path("a"));
    expect(await bench.produce("t", 0)).toBe("KAFKA_STORAGE_ERROR");
    await bench.until(() => bench.halted !== undefined);
    expect(bench.halted).toMatch(
      /^the broker has ended: the directory of the metadata has failed with .*check its disk/,
    );
    expect(bench.node.healthy).toBe(false);
    expect(readdirSync(path("b"))).toContain(".kafka_cleanshutdown");
    expect(readdirSync(path("a"))).not.toContain(".kafka_cleanshutdown");
  });

  test("ends when all that holds partitions has failed, though the metadata is elsewhere", async () => {
    const bench = await Bench.start({ "metadata.log.dir": path("m") });
    await bench.create("t", 2);
    expect(logsIn("m")).toEqual(["__cluster_metadata-0"]);
    broken.add(path("a"));
    expect(await bench.produce("t", 0)).toBe("KAFKA_STORAGE_ERROR");
    await bench.until(() => bench.image().brokers.get(1)?.logDirs.length === 1);
    expect(bench.halted).toBeUndefined();
    broken.add(path("b"));
    expect(await bench.produce("t", 1)).toBe("KAFKA_STORAGE_ERROR");
    await bench.until(() => bench.halted !== undefined);
    expect(bench.halted).toContain("every log directory has failed");
  });

  test("hands on no group whose offsets are in the one that failed", async () => {
    const bench = await Bench.start();
    const find = async (key: string) => {
      const body = { key: "", keyType: 0, coordinatorKeys: [key] };
      const answer = await bench.wire.ask("FindCoordinator", 4, body);
      return errorOf(answer.coordinators[0].errorCode).name;
    };
    const groups = Array.from({ length: 8 }, (_, i) => `group ${i}`);
    for (const group of groups) expect(await find(group)).toBe("NONE");
    const heartbeat = async (groupId: string) => {
      const body = { groupId, generationId: 1, memberId: "m", groupInstanceId: null };
      return errorOf((await bench.wire.ask("Heartbeat", 3, body)).errorCode).name;
    };
    broken.add(path("b"));
    bench.broker.dirs.opened[1].fail(new DiskError("EIO", path("b"), "broken"));
    await bench.until(() => bench.image().brokers.get(1)?.logDirs.length === 1);
    const told = new Map<string, number>();
    for (const group of groups) {
      const pair = `${await find(group)} ${await heartbeat(group)}`;
      told.set(pair, (told.get(pair) ?? 0) + 1);
    }
    expect([...told.keys()].sort()).toEqual(["COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR", "NONE UNKNOWN_MEMBER_ID"]);
  });

  test("decides nothing more once it stops: a directory that fails meanwhile is not told of", async () => {
    const bench = await Bench.start();
    await bench.create("t", 2);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    broken.add(path("b"));
    bench.wire.close();
    await expect(bench.node.close()).rejects.toMatchObject({ code: "EIO" });
    broken.clear();
    const marked = ["a", "b"].filter(name => readdirSync(path(name)).includes(".kafka_cleanshutdown"));
    expect(marked).toEqual(["a"]);
    const again = await Bench.start();
    expect(again.image().brokers.get(1)?.logDirs).toHaveLength(2);
    expect(await again.produce("t", 1)).toBe("NONE");
  });

  test("puts nothing new into what is cordoned", async () => {
    const bench = await Bench.start();
    expect(await bench.cordon(path("elsewhere"))).toBe("INVALID_REQUEST");
    expect(await bench.cordon(`*,${path("a")}`)).toBe("INVALID_REQUEST");
    expect(await bench.cordon(path("a"))).toBe("NONE");
    await bench.create("t", 3);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    expect(bench.assigned("t")).toEqual(["b", "b", "b"]);
    expect(bench.image().brokers.get(1)?.cordonedLogDirs).toEqual([bench.broker.dirs.opened[0].directoryId]);
    expect(await bench.cordon("*")).toBe("NONE");
    await bench.until(() => bench.image().brokers.get(1)?.cordonedLogDirs?.length === 2);
    expect(await bench.create("u", 1)).toBe("INVALID_REPLICATION_FACTOR");
    await bench.stop();
    const again = await Bench.start();
    expect(await again.create("u", 1)).toBe("INVALID_REPLICATION_FACTOR");
    expect(await again.cordon("")).toBe("NONE");
    await again.until(() => again.image().brokers.get(1)?.cordonedLogDirs?.length === 0);
    expect(await again.create("u", 1)).toBe("NONE");
  });

  test("refuses a partition that is in both, unless it is plain which has all", async () => {
    const bench = await Bench.start();
    await bench.create("t", 2);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    expect(await bench.produce("t", 0)).toBe("NONE");
    await bench.stop();
    // The log in the assigned directory has fewer records than the other.
    cpSync(path("a/t-0"), path("before"), { recursive: true });
    const longer = await Bench.start();
    expect(await longer.produce("t", 0)).toBe("NONE");
    await longer.stop();
    cpSync(path("a/t-0"), path("b/t-0"), { recursive: true });
    rmSync(path("a/t-0"), { recursive: true });
    cpSync(path("before"), path("a/t-0"), { recursive: true });
    await expect(Bench.start()).rejects.toThrow(/^t-0 is both in \S+\/a and in \S+\/b: move the older/);
    // The failed start leaves nothing behind that prevents another one.
    rmSync(path("b/t-0"), { recursive: true });
    const again = await Bench.start();
    expect(await again.produce("t", 0)).toBe("NONE");
    await again.stop();
    // A log that was only created is ignored.
    mkdirSync(path("b/t-0"));
    cpSync(path("a/t-0/partition.metadata"), path("b/t-0/partition.metadata"));
    const last = await Bench.start();
    expect(logOf(last.broker.topics.partition("t", 0)).home.path).toBe(path("a"));
    expect(logOf(last.broker.topics.partition("t", 0)).endOffset).toBe(2);
  });

  test("keeps the longer of two logs that end in the same epoch: the other has lost its end", async () => {
    const bench = await Bench.start();
    await bench.create("t", 2);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    expect(await bench.produce("t", 0)).toBe("NONE");
    cpSync(path("a/t-0"), path("before"), { recursive: true });
    expect(await bench.produce("t", 0)).toBe("NONE");
    await bench.stop();
    // As after a kill between the rename of a copy and the deletion of the old log, if the copy is damaged then.
    cpSync(path("a/t-0"), path("b/t-0"), { recursive: true });
    rmSync(path("a/t-0"), { recursive: true });
    cpSync(path("before"), path("a/t-0"), { recursive: true });
    for (const name of ["a", "b"]) rmSync(path(`${name}/.kafka_cleanshutdown`));
    const again = await Bench.start();
    const log = logOf(again.broker.topics.partition("t", 0));
    expect([log.home.path, log.endOffset]).toEqual([path("b"), 2]);
    await again.until(() => again.assigned("t")[0] === "b");
    expect(readdirSync(path("a")).filter(name => name.startsWith("t-0"))).toEqual([
      expect.stringMatching(/^t-0\.[0-9a-f]{32}-stray$/),
    ]);
  });

  test("keeps the log that has records if the assigned one is empty: it has lost all, or was only created", async () => {
    const bench = await Bench.start();
    await bench.create("t", 2);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    expect(await bench.produce("t", 0)).toBe("NONE");
    await bench.stop();
    cpSync(path("a/t-0"), path("b/t-0"), { recursive: true });
    rmSync(path("a/t-0"), { recursive: true });
    mkdirSync(path("a/t-0"));
    cpSync(path("b/t-0/partition.metadata"), path("a/t-0/partition.metadata"));
    const again = await Bench.start();
    const log = logOf(again.broker.topics.partition("t", 0));
    expect([log.home.path, log.endOffset]).toEqual([path("b"), 1]);
    await again.until(() => again.assigned("t")[0] === "b");
  });

  test("puts aside a log whose topic went while its directory was away", async () => {
    const bench = await Bench.start();
    await bench.create("t", 2);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    broken.add(path("b"));
    expect(await bench.produce("t", 1)).toBe("KAFKA_STORAGE_ERROR");
    await bench.delete("t");
    expect(await bench.create("t", 2)).toBe("NONE");
    await bench.until(() => !bench.assigned("t").includes(undefined));
    expect(bench.assigned("t")).toEqual(["a", "a"]);
    await bench.stop();
    broken.clear();
    const again = await Bench.start();
    expect(await again.produce("t", 1)).toBe("NONE");
    expect(readdirSync(path("b")).filter(name => name.startsWith("t-1"))).toEqual([
      expect.stringMatching(/^t-1\.[0-9a-f]{32}-stray$/),
    ]);
  });

  test("ends when its controller fails: nothing could be changed any more", async () => {
    const bench = await Bench.start();
    const append = vi.spyOn(bench.node.shared.quorum, "append").mockImplementation(() => {
      throw new Error("planted");
    });
    expect(await bench.create("t", 1)).toBe("UNKNOWN_SERVER_ERROR");
    append.mockRestore();
    await bench.until(() => bench.halted !== undefined);
    expect(bench.halted).toMatch(/^the broker has ended: the controller has failed with planted; start again/);
    const again = await Bench.start();
    expect(await again.create("t", 1)).toBe("NONE");
  });

  test("refuses to start with a directory cordoned that it does not have", async () => {
    await expect(Bench.start({ "cordoned.log.dirs": "/nowhere" })).rejects.toThrow(
      "Invalid value /nowhere for configuration cordoned.log.dirs: not among log.dirs or log.dir: /nowhere",
    );
  });
});
