import {
  type Connection,
  type ConnectionHandler,
  concat,
  DiskError,
  type Env,
  fromUtf8,
  NetworkError,
  utf8,
} from "@samsa/base";
import { Prng, type SimNode, World } from "@samsa/sim";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const nothing: ConnectionHandler = { onData() {}, onDrain() {}, onClose() {} };

/** Small runtime with promises, timers, disk and network: appends received bytes, syncs, then acknowledges. */
async function journal(env: Env): Promise<void> {
  env.disk.makeDirectory("/data");
  env.disk.syncDirectoryNow("/");
  const file = env.disk.open("/data/journal", "create");
  env.disk.syncDirectoryNow("/data");
  await env.network.listen("0.0.0.0", 9092, connection => ({
    ...nothing,
    onData(chunk) {
      file.write([chunk], file.size());
      void file.sync().then(() => connection.write([Uint8Array.of(chunk.length)]));
    },
  }));
}

async function scenario(seed: number): Promise<{ hash: string; acked: number; kept: number }> {
  const world = new World(seed);
  const server = world.node("server");
  const client = world.node("client");
  let acked = 0;
  await journal(server.env);
  const connection = await connected(world, client, "server", {
    ...nothing,
    onData: chunk => chunk.forEach(n => (acked += n)),
  });
  for (let i = 0; i < 50; i++) client.env.timers.after(i, () => connection.write([utf8(`line ${i}\n`)]));
  await world.runFor(30 + (seed % 17));
  const crashed = world.crash("server");
  const kept = crashed.env.disk.open("/data/journal", "read").size();
  return { hash: world.hash(), acked, kept };
}

async function connected(world: World, from: SimNode, to: string, handler: ConnectionHandler): Promise<Connection> {
  let got: Connection | undefined;
  void from.env.network.connect(to, 9092, { timeoutMs: 10_000 }, () => handler).then(c => (got = c));
  await world.runUntil(() => got !== undefined);
  if (got === undefined) throw new Error("no connection");
  return got;
}

describe("the same seed", () => {
  test("gives the same history, another seed another; what was acknowledged survives a crash", async () => {
    const hashes = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const first = await scenario(seed);
      expect(await scenario(seed)).toEqual(first);
      expect(first.kept).toBeGreaterThanOrEqual(first.acked);
      expect(first.acked).toBeGreaterThan(0);
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(20);
  });

  test("gives the same numbers", () => {
    expect(new Prng(1).bytes(8)).toEqual(new Prng(1).bytes(8));
    const rng = new Prng("spread");
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) counts[rng.int(0, 3)]++;
    for (const count of counts) expect(count).toBeGreaterThan(900);
  });
});

describe("time", () => {
  test("timers fire in order, each after the promises of the one before have run", async () => {
    const world = new World(1);
    const { env } = world.node("a");
    const seen: string[] = [];
    env.timers.after(5, () => {
      seen.push("five");
      void (async () => {
        for (let i = 0; i < 100; i++) await Promise.resolve();
        seen.push("a hundred turns later");
      })();
    });
    env.timers.after(5, () => seen.push("five again"));
    env.timers.after(1, () => env.timers.soon(() => seen.push("soon")));
    env.timers.after(2, () => seen.push("never")).cancel();
    await world.runIdle();
    expect(seen).toEqual(["soon", "five", "a hundred turns later", "five again"]);
    expect(env.clock.monotonic()).toBe(5);
    await expect(world.runUntil(() => false)).rejects.toThrow("nothing left");
  });

  test("passes once for all that is waited for at the same time", async () => {
    const world = new World(1);
    const { env } = world.node("a");
    const seen: string[] = [];
    for (const ms of [1, 2, 3, 4, 5]) {
      env.timers.after(ms, () => {
        void (async () => {
          for (let i = 0; i < 10; i++) await Promise.resolve();
          seen.push(`${ms} at ${world.now()}`);
        })();
      });
    }
    await Promise.all([
      world.runFor(2),
      world.runUntil(() => seen.length === 5),
      world.runFor(3).then(() => seen.push("three")),
      expect(world.runUntil(() => seen.length === 9, 2)).rejects.toThrow("not within 2 ms"),
    ]);
    expect(seen).toEqual(["1 at 1", "2 at 2", "3 at 3", "three", "4 at 4"]);
    expect(world.now()).toBe(4);
    await world.runIdle();
    expect(seen.at(-1)).toBe("5 at 5");
  });
});

describe("the disk", () => {
  const fresh = (seed: number | string) => {
    const world = new World(seed);
    return { world, node: world.node("n") };
  };
  const bytesOf = (env: Env, path: string): string => {
    const file = env.disk.open(path, "read");
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    return fromUtf8(bytes);
  };

  test("keeps what was synced; the rest in part, and torn", () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { world, node } = fresh(seed);
      const file = node.env.disk.open("/f", "create");
      node.env.disk.syncDirectoryNow("/");
      file.write([utf8("sure")], 0);
      file.syncNow();
      file.write([utf8("AAAA")], 4);
      file.write([utf8("BBBB")], 8);
      const old = node.env;
      world.crash("n");
      expect(() => old.disk.list("/")).toThrow(DiskError);
      const text = bytesOf(node.env, "/f");
      // Lost bytes are at the end, or read as zeros in the middle; no byte moves.
      expect(text).toMatch(/^sure[A\0]{0,4}$|^sure[A\0]{4}[B\0]{1,4}$/);
      outcomes.add(text.replaceAll("\0", "_"));
    }
    expect(outcomes.size).toBeGreaterThan(5);
    expect([...outcomes].some(text => /A_+A|B_+B/.test(text))).toBe(true);
  });

  test("names need a sync of their directory", () => {
    let lost = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { world, node } = fresh(seed);
      node.env.disk.makeDirectory("/d");
      node.env.disk.syncDirectoryNow("/");
      const file = node.env.disk.open("/d/a.tmp", "create");
      file.write([utf8("new")], 0);
      file.syncNow();
      node.env.disk.rename("/d/a.tmp", "/d/a");
      world.crash("n");
      const names = node.env.disk.list("/d").map(e => e.name);
      // A rename is atomic: never both names.
      expect(names.length).toBeLessThan(2);
      if (names[0] !== "a") lost++;
      else expect(bytesOf(node.env, "/d/a")).toBe("new");
    }
    expect(lost).toBeGreaterThan(5);
    expect(lost).toBeLessThan(35);
  });

  test("behaves as a plain map of files while nothing fails", () => {
    const step = fc.record({
      kind: fc.constantFrom("write", "truncate", "remove", "rename"),
      file: fc.constantFrom("x", "y"),
      at: fc.nat(20),
      text: fc.string({ minLength: 1, maxLength: 8, unit: "grapheme-ascii" }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const { world, node } = fresh("model");
        const model = new Map<string, string>();
        for (const { kind, file, at, text } of steps) {
          const path = `/${file}`;
          const had = model.get(file) ?? "";
          if (kind === "remove" || kind === "rename") {
            if (!model.delete(file)) continue;
            if (kind === "remove") node.env.disk.removeFile(path);
            else {
              node.env.disk.rename(path, "/z");
              model.set("z", had);
            }
            continue;
          }
          const open = node.env.disk.open(path, "create");
          if (kind === "truncate") open.truncate(at);
          else open.write([utf8(text)], at);
          const padded = had.padEnd(at, "\0");
          model.set(
            file,
            kind === "truncate" ? padded.slice(0, at) : padded.slice(0, at) + text + had.slice(at + text.length),
          );
        }
        for (const how of ["live", "kept"] as const) {
          if (how === "kept") world.crash("n", { unsynced: "kept" });
          expect(node.env.disk.list("/").map(e => e.name)).toEqual([...model.keys()].sort());
          for (const [name, text] of model) expect(bytesOf(node.env, `/${name}`)).toBe(text);
        }
      }),
    );
  });

  test("fails as told: faults, a full disk, a failed fsync, a flipped bit, locks", async () => {
    const { world, node } = fresh(3);
    const file = node.env.disk.open("/f", "create");
    node.disk.capacity = 6;
    expect(() => file.write([utf8("123456789")], 0)).toThrow("ENOSPC");
    expect(file.size()).toBe(6);
    node.disk.fault = operation => (operation === "sync" ? "EIO" : undefined);
    const failing = file.sync().catch(e => (e as DiskError).code);
    await world.runIdle();
    expect(await failing).toBe("EIO");
    node.disk.fault = undefined;
    file.syncNow();
    // The failed fsync decided by chance if the first write survived.
    expect([0, 6]).toContain(node.disk.durableBytes("/f").length);
    node.disk.flipBit("/f", 0, 0);
    expect(bytesOf(node.env, "/f")).toBe("023456");
    const lock = node.env.disk.lock("/.lock");
    expect(node.env.disk.lock("/.lock")).toBeUndefined();
    world.crash("n");
    expect(node.env.disk.lock("/.lock")).toBeDefined();
    lock?.release();
    expect(node.env.disk.lock("/.lock")).toBeUndefined();
  });
});

describe("the network", () => {
  test("keeps bytes in order however it splits them, and holds back", async () => {
    const world = new World(5, { network: { splitChance: 0.7, highWaterMark: 1000 } });
    const got: Uint8Array[] = [];
    let peer: Connection | undefined;
    await world.node("b").env.network.listen("0.0.0.0", 9092, connection => {
      peer = connection;
      return { ...nothing, onData: chunk => void got.push(chunk.slice()) };
    });
    let drained = 0;
    let closed = 0;
    const connection = await connected(world, world.node("a"), "b", {
      ...nothing,
      onDrain: () => void drained++,
      onClose: () => void closed++,
    });
    peer?.pause();
    expect(connection.write([new Uint8Array(900).fill(1)])).toBe(true);
    expect(connection.write([new Uint8Array(900).fill(2)])).toBe(false);
    await world.runFor(100);
    expect(connection.pendingBytes()).toBe(1800);
    peer?.resume();
    await world.runFor(100);
    expect(drained).toBe(1);
    connection.end();
    await world.runIdle();
    expect(closed).toBe(1);
    const all = concat(got);
    expect([all.length, all.indexOf(2), all.lastIndexOf(1)]).toEqual([1800, 900, 899]);
    expect(got.length).toBeGreaterThan(2);
  });

  test("cuts hold, heals deliver, severing resets, crashes reset or stay half open", async () => {
    const world = new World(6);
    const events: string[] = [];
    const serve = () =>
      world.node("b").env.network.listen("0.0.0.0", 9092, () => ({
        ...nothing,
        onData: chunk => void events.push(`b got ${chunk.length}`),
      }));
    const client: ConnectionHandler = {
      ...nothing,
      onClose: error => void events.push(error instanceof NetworkError ? error.code : "closed"),
    };
    const a = world.node("a");
    await serve();
    let connection = await connected(world, a, "b", client);
    world.network.cut("a", "b");
    connection.write([utf8("one")]);
    const refused = a.env.network
      .connect("b", 9092, { timeoutMs: 10_000 }, () => client)
      .catch(e => (e as NetworkError).code);
    await world.runFor(20_000);
    expect(await refused).toBe("ETIMEDOUT");
    expect(events).toEqual([]);
    world.network.heal("a", "b");
    await world.runFor(100);
    // A delivery may carry a part of the bytes.
    expect(events.splice(0).reduce((sum, event) => sum + Number(event.slice("b got ".length)), 0)).toBe(3);
    world.network.sever("a", "b");
    await world.runFor(100);
    expect(events.splice(0)).toEqual(["ECONNRESET"]);

    connection = await connected(world, a, "b", client);
    world.crash("b");
    await world.runFor(100);
    expect(events.splice(0)).toEqual(["ECONNRESET"]);
    await serve();
    connection = await connected(world, a, "b", client);
    world.crash("b", { halfOpen: true });
    await world.runFor(5000);
    expect(events).toEqual([]);
    connection.write([utf8("two")]);
    await world.runFor(5000);
    expect(events.splice(0)).toEqual(["ECONNRESET"]);
  });

  test("a cut in one direction holds what one node sends, and a paused node does nothing until it goes on", async () => {
    const world = new World(7);
    const events: string[] = [];
    const note = (name: string): ConnectionHandler => ({
      ...nothing,
      onData: chunk => void events.push(`${name} ${chunk.length}`),
    });
    let far: Connection | undefined;
    await world.node("b").env.network.listen("0.0.0.0", 9092, connection => {
      far = connection;
      return note("b");
    });
    const near = await connected(world, world.node("a"), "b", note("a"));
    world.network.cutOneWay("a", "b");
    near.write([new Uint8Array(1)]);
    far?.write([new Uint8Array(1)]);
    await world.runFor(100);
    expect(events.splice(0)).toEqual(["a 1"]);
    world.network.heal("a", "b");
    await world.runFor(100);
    expect(events.splice(0)).toEqual(["b 1"]);

    world.pause("b");
    world.node("b").env.timers.after(10, () => void events.push("timer"));
    near.write([new Uint8Array(1)]);
    await world.runFor(1000);
    expect(events).toEqual([]);
    world.resume("b");
    await world.runFor(100);
    expect(events.splice(0).toSorted()).toEqual(["b 1", "timer"]);

    world.network.slow("a", "b", [500, 600]);
    near.write([new Uint8Array(1)]);
    await world.runFor(400);
    expect(events).toEqual([]);
    await world.runFor(300);
    expect(events).toEqual(["b 1"]);
  });
});
