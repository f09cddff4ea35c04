import { type Connection, type Disk, DiskError, type DiskFile, type Env, type Network } from "@samsa/base";
import { type Outcome, replayCommand, runScenario } from "@samsa/sim";
import { describe, expect, test } from "vitest";

const SEEDS = 200;

function verdict({ seed, violation }: Outcome): string {
  return violation === undefined ? "holds" : `${violation.message}\n  ${replayCommand(seed)}`;
}

describe("one broker under crashes, bad disks and bad networks", () => {
  // No timeout: the number of seeds bounds the test, and a busy machine only makes it slower.
  test(`keeps every rule in ${SEEDS} seeds`, { timeout: 0 }, async () => {
    const seen = { acknowledged: 0, served: 0, commits: 0, shares: 0, compacted: 0, transactions: 0, faults: 0 };
    const endings = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await runScenario(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed} could not be played: ${replayCommand(seed)}`, { cause: error });
      });
      expect(verdict(outcome)).toBe("holds");
      seen.acknowledged += outcome.acknowledged;
      seen.served += outcome.served;
      seen.commits += outcome.commits;
      seen.shares += outcome.shares;
      seen.compacted += outcome.compacted;
      seen.transactions += outcome.transactions;
      seen.faults += outcome.faults;
      for (const ending of outcome.endings) endings.add(ending);
    }
    // An idle simulation would break no rule either: require some activity.
    expect(seen.acknowledged).toBeGreaterThan(SEEDS * 30);
    expect(seen.served).toBeGreaterThan(SEEDS * 100);
    expect(seen.commits).toBeGreaterThan(SEEDS * 5);
    expect(seen.shares).toBeGreaterThan(SEEDS * 2);
    expect(seen.compacted).toBeGreaterThan(SEEDS);
    expect(seen.transactions).toBeGreaterThan(SEEDS);
    expect(seen.faults).toBeGreaterThan(SEEDS / 10);
    expect([...endings].sort()).toEqual(["kill", "power", "stop"]);
  });

  test("is the same history for the same seed", async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 15; seed++) {
      const first = await runScenario(seed);
      expect((await runScenario(seed)).hash).toBe(first.hash);
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(15);
  });
});

function withDisk(env: Env, change: (disk: Disk) => Partial<Disk>): Env {
  return { ...env, disk: { ...env.disk, ...change(env.disk) } };
}

/** Overrides methods of the files whose paths match `concerns`. */
function withFiles(env: Env, concerns: RegExp, change: (file: DiskFile, path: string) => Partial<DiskFile>): Env {
  return withDisk(env, disk => ({
    open(path, mode) {
      const file = disk.open(path, mode);
      return concerns.test(path) ? { ...file, ...change(file, path) } : file;
    },
  }));
}

const unsynced = { sync: () => Promise.resolve(), syncNow() {} };

/** Delays writes of record data in the process, so that records are acknowledged before they are written. */
function lateWriter(env: Env): Env {
  const pending = new Map<string, Map<number, Uint8Array>>();
  return withFiles(env, /\/(?:plain|temp)[^/]*\/.*\.log$/, (_file, path) => ({
    write(chunks, position) {
      let at = position;
      const waiting = pending.get(path) ?? new Map<number, Uint8Array>();
      pending.set(path, waiting);
      for (const chunk of chunks) {
        const copy = chunk.slice();
        const place = at;
        waiting.set(place, copy);
        env.timers.after(80, () => {
          // The topic may have been deleted meanwhile.
          if (!waiting.delete(place) || env.disk.stat(path) === undefined) return;
          let target: DiskFile | undefined;
          try {
            target = env.disk.open(path, "create");
            target.write([copy], place);
          } catch (error) {
            // The delayed write has no caller to report an error to.
            if (!(error instanceof DiskError)) throw error;
          } finally {
            target?.close();
          }
        });
        at += chunk.length;
      }
    },
  }));
}

/** Reports bytes as sent when they are only queued, so that their memory is reused too early. */
function hastyNetwork(env: Env): Env {
  const hasty = (connection: Connection): Connection => {
    const write = connection.write.bind(connection);
    connection.write = (chunks, sent) => {
      const more = write(chunks);
      sent?.();
      return more;
    };
    return connection;
  };
  const listen: Network["listen"] = (host, port, accept) =>
    env.network.listen(host, port, connection => accept(hasty(connection)));
  return { ...env, network: { ...env.network, listen } };
}

/** Faults of the environment and the rules that each one breaks. The broker itself is unchanged. */
const TRICKS: readonly (readonly [name: string, rules: RegExp, trick: (env: Env) => Env])[] = [
  ["an fsync that does nothing", /lost|not start/, env => withFiles(env, /./, () => unsynced)],
  [
    "an fsync of record files that does nothing",
    /record is lost|have a gap|damaged batch/,
    env => withFiles(env, /flushed.*\.log$/, () => unsynced),
  ],
  [
    "an fsync of the metadata log that does nothing",
    /topic is lost|setting is lost|came back|not start|refused/,
    env => withFiles(env, /__cluster_metadata/, () => unsynced),
  ],
  [
    "names that are never synced",
    /lost|not start/,
    env => withDisk(env, () => ({ syncDirectory: async () => {}, syncDirectoryNow() {} })),
  ],
  [
    "an acknowledgement before the write",
    /record is lost|read record vanished|have a gap|passed a partition over/,
    lateWriter,
  ],
  [
    "a checksum that is always zero",
    /good request was refused/,
    env => ({ ...env, crypto: { ...env.crypto, crc32c: () => 0 } }),
  ],
  ["memory that is used again before it is sent", /damaged|torn|batch|more than it may/, hastyNetwork],
  [
    "a disk that turns a bit over",
    /damaged batch|record is lost|have a gap/,
    env =>
      withFiles(env, /(?:plain|flushed|temp)[^/]*\/.*\.log$/, file => ({
        read(target, position) {
          const got = file.read(target, position);
          if (got > 100 && env.random.next() < 0.1) target[90] ^= 4;
          return got;
        },
      })),
  ],
  [
    "a checkpoint that forgets committed offsets",
    // Generations are forgotten with the offsets, and given again.
    /committed offset is lost|transaction is missing or there twice|no progress after healing|has two owners/,
    env => withFiles(env, /__consumer_offsets.*\.log$/, file => ({ size: () => Math.min(file.size(), 200) })),
  ],
];

describe("the rules find", () => {
  test.each(TRICKS)("%s", async (_name, rules, sabotage) => {
    const found: string[] = [];
    for (let seed = 1; seed <= 60 && found.length === 0; seed++) {
      const { violation } = await runScenario(seed, { sabotage });
      if (violation !== undefined) found.push(violation.message);
    }
    expect(found[0] ?? "nothing").toMatch(rules);
  });

  test("a number that does not come from the seed", async () => {
    let calls = 0;
    const bytes = (length: number) => new Uint8Array(length).fill(++calls & 0xff);
    const sabotage = (env: Env): Env => ({ ...env, random: { ...env.random, bytes } });
    const first = await runScenario(3, { sabotage });
    expect((await runScenario(3, { sabotage })).hash).not.toBe(first.hash);
  });
});
