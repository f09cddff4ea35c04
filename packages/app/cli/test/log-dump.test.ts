import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ByteWriter, concat, utf8, type Uuid } from "@samsa/base";
import { OffsetIndex, TimeIndex, TxnIndex, writeEpochs, writeOffsets, writeSnapshot, writeTopicId } from "@samsa/log";
import { nodeEnv } from "@samsa/node";
import {
  consumerProtocolSubscription,
  encodeCoordinatorRecord,
  GROUP_RECORDS,
  groupMetadataValue,
  offsetCommitValue,
} from "@samsa/protocol";
import { buildBatch, endTxnBatch, type NewRecord, type Tools } from "@samsa/records";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileEntries } from "../src/dump/files.ts";
import { dumpLines } from "../src/commands/log.ts";
import { EntryText } from "../src/dump/text.ts";
import { MAIN } from "./bundle.ts";

const NAME = "00000000000000000000";
const START = 1_700_000_000_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });
const tools: Tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "samsa-dump-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Creates a file under the root, with its directories. */
function file(path: string, ...bytes: readonly Uint8Array[]): string {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), concat(bytes));
  return path;
}

function dump(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, "log", "dump", ...args], { encoding: "utf8", cwd: root, timeout: 300_000 });
}

type Line = Readonly<Record<string, unknown>>;

/** Parses the command line options that the tests use. */
function optionsOf(args: readonly string[]) {
  const value = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const [decode, maxBytes] = [value("--decode"), value("--max-bytes")];
  return {
    records: args.includes("--records"),
    check: args.includes("--check"),
    ...(decode === undefined ? {} : { decode }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
}

/** Entries that `--json` prints, with files relative to the root, and the exit code. */
function entries(...args: string[]): { lines: Line[]; status: number } {
  const first = args.findIndex(arg => arg.startsWith("--"));
  const paths = (first < 0 ? args : args.slice(0, first)).map(path => join(root, path));
  const lines: Line[] = [];
  const all = dumpLines(paths, { ...optionsOf(args), json: true });
  for (let next = all.next(); ; next = all.next()) {
    if (next.done === true) return { lines, status: next.value ? 1 : 0 };
    const line = JSON.parse(next.value) as Line & { readonly file: string };
    lines.push({ ...line, file: relative(root, line.file) });
  }
}

const record = (i: number): NewRecord => ({
  timestamp: START + i,
  key: utf8(`k${i}`),
  value: utf8(`v${i}`.repeat(20)),
});

/** Builds `count` batches of three records each, from offset 0. */
function batches(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    buildBatch(
      [0, 1, 2].map(n => record(i * 3 + n)),
      { baseOffset: i * 3, leaderEpoch: 4 },
      tools,
    ),
  );
}

describe("a log", () => {
  test("its batches, and their records", () => {
    const headers = [
      { key: "h", value: utf8("w") },
      { key: "none", value: null },
    ];
    const zipped = buildBatch(
      [{ timestamp: START, key: Uint8Array.of(0xff), value: null, headers }, record(1)],
      {
        baseOffset: 7,
        leaderEpoch: 2,
        compression: { codec: 1, level: 6 },
        producerId: 12n,
        producerEpoch: 3,
        baseSequence: 5,
        transactional: true,
      },
      tools,
    );
    const marker = endTxnBatch(
      { producerId: 12n, producerEpoch: 3, coordinatorEpoch: 9, commit: true, timestamp: START },
      tools,
    );
    new DataView(marker.buffer, marker.byteOffset).setBigInt64(0, 9n);
    const path = file(`t-0/${NAME}.log`, zipped, marker);
    const { lines, status } = entries(path, "--records");
    expect(status).toBe(0);
    expect(lines.map(({ kind }) => kind)).toEqual(["batch", "record", "record", "batch", "record"]);
    expect(lines[0]).toMatchObject({
      file: path,
      position: 0,
      size: zipped.length,
      baseOffset: 7,
      lastOffset: 8,
      count: 2,
      magic: 2,
      codec: "gzip",
      crcOk: true,
      leaderEpoch: 2,
      producerId: 12,
      producerEpoch: 3,
      baseSequence: 5,
      lastSequence: 6,
      transactional: true,
      control: false,
      timestampType: "CreateTime",
      maxTimestamp: START + 1,
    });
    expect(lines[1]).toMatchObject({
      offset: 7,
      timestamp: START,
      sequence: 5,
      key: { base64: "/w==" },
      value: null,
      headers: [
        { key: "h", value: "w" },
        { key: "none", value: null },
      ],
    });
    expect(lines[2]).toMatchObject({ offset: 8, sequence: 6, key: "k1", value: "v1".repeat(20) });
    expect(lines[4]).toMatchObject({ offset: 9, control: { type: "commit", coordinatorEpoch: 9 } });

    const { stdout } = dump("t-0", "--records");
    expect(stdout).toContain(
      "2023-11-14T22:13:20.001Z  ok   gzip        2        12       3         5  transactional\n",
    );
    expect(stdout).toContain('  | 8  2023-11-14T22:13:20.001Z  key="k1"  value="v1v1');
    expect(stdout).toContain('headers={"h":"w","none":null}');
  });

  test("--max-bytes ends the reading", () => {
    const all = batches(4);
    file(`t-0/${NAME}.log`, ...all);
    const { lines, status } = entries("t-0", "--max-bytes", String(all[0].length * 2 + 10));
    expect([lines.length, status]).toEqual([2, 0]);
    expect(dump("t-0", "--max-bytes", "much").stderr).toBe(
      'samsa: --max-bytes wants a whole number from 1, not "much"\n',
    );
  });

  test("a wrong checksum is told of, and what follows is shown", () => {
    const [a, b, c] = batches(3);
    b[b.length - 1] ^= 1;
    file(`t-0/${NAME}.log`, a, b, c);
    const { lines, status } = entries("t-0", "--records");
    expect(status).toBe(1);
    expect(lines.filter(({ kind }) => kind === "batch").map(({ crcOk }) => crcOk)).toEqual([true, false, true]);
    expect(lines.filter(({ kind }) => kind === "record")).toHaveLength(6);
    expect(lines).toContainEqual(
      expect.objectContaining({ kind: "problem", damage: true, position: a.length, message: "the checksum is wrong" }),
    );
    expect(dump("t-0").stdout).toContain(`! at ${a.length}: the checksum is wrong\n`);
  });

  test("noise between batches is passed over", () => {
    const [a, b] = batches(2);
    file(`t-0/${NAME}.log`, a, utf8("noise ".repeat(50)), b);
    const { lines, status } = entries("t-0");
    expect(status).toBe(1);
    expect(lines.map(({ kind, position }) => [kind, position])).toEqual([
      ["batch", 0],
      ["problem", a.length],
      ["batch", a.length + 300],
    ]);
  });

  test("a torn tail, and the zeros of a file made long beforehand, are no damage", () => {
    const [a, b] = batches(2);
    file(`torn-0/${NAME}.log`, a, b.subarray(0, b.length - 5));
    file(`long-0/${NAME}.log`, a, new Uint8Array(5000));
    const { stdout, status } = dump("torn-0", "long-0");
    expect(status).toBe(0);
    expect(stdout).toContain(
      `- at ${a.length}: ${b.length - 5} bytes at the end that are no whole batch: a batch of ${b.length} bytes of which ${b.length - 5} are there\n`,
    );
    expect(stdout).toContain(`- at ${a.length}: 5000 bytes at the end that are no whole batch: only zeros follow\n`);
  });

  test("offsets that go back are damage", () => {
    const [a, b] = batches(2);
    file(`t-0/${NAME}.log`, b, a);
    expect(entries("t-0").lines[2]).toMatchObject({ kind: "problem", message: "offset 0 where 6 or more must follow" });
  });

  test("whatever one byte is turned into, every other batch is shown, and nothing is thrown", () => {
    const all = batches(8);
    const bytes = concat(all);
    const path = join(root, file(`t-0/${NAME}.log`, bytes));
    const options = { records: true, check: true, decode: undefined, maxBytes: Infinity };
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const turned = bytes.slice();
        turned[at] ^= bits;
        writeFileSync(path, turned);
        const whole = [...fileEntries(env, path, options)].filter(
          ({ kind, facts }) => kind === "batch" && facts.crcOk === true,
        );
        expect(whole.length).toBeGreaterThanOrEqual(7);
      }),
      { numRuns: 300 },
    );
  });
});

describe("records of Kafka's own topics", () => {
  test("committed offsets and groups", () => {
    const subscription = new ByteWriter();
    subscription.i16(1);
    consumerProtocolSubscription.encode(subscription, { topics: ["t"], userData: null, ownedPartitions: [] }, 1);
    const member = {
      memberId: "m",
      clientId: "c",
      clientHost: "/1.2.3.4",
      sessionTimeout: 1000,
      subscription: subscription.finish(),
      assignment: Uint8Array.of(0),
    };
    const records = [
      encodeCoordinatorRecord(GROUP_RECORDS, {
        type: "GroupMetadata",
        key: { group: "g" },
        version: 3,
        value: groupMetadataValue.defaults({ protocolType: "consumer", generation: 4, members: [member] }),
      }),
      encodeCoordinatorRecord(GROUP_RECORDS, {
        type: "OffsetCommit",
        key: { group: "g", topic: "t", partition: 2 },
        version: 3,
        value: offsetCommitValue.defaults({ offset: 77, metadata: "here" }),
      }),
      encodeCoordinatorRecord(GROUP_RECORDS, {
        type: "OffsetCommit",
        key: { group: "g", topic: "t", partition: 2 },
        version: 0,
        value: null,
      }),
      { key: utf8("no such record"), value: null },
      { key: Uint8Array.of(0, 1), value: utf8("x") },
    ];
    const batch = buildBatch(
      records.map(({ key, value }) => ({ timestamp: START, key, value })),
      {},
      tools,
    );
    file(`__consumer_offsets-3/${NAME}.log`, batch);
    const told = entries("__consumer_offsets-3", "--records").lines.slice(1);
    expect(told[0].data).toMatchObject({
      type: "GroupMetadata",
      key: { group: "g" },
      version: 3,
      value: { generation: 4, members: [{ memberId: "m", subscription: { topics: ["t"] }, assignment: "AA==" }] },
    });
    expect(told[1].data).toMatchObject({
      type: "OffsetCommit",
      key: { partition: 2 },
      value: { offset: 77, metadata: "here" },
    });
    expect(told[2].data).toEqual({ type: "OffsetCommit", key: { group: "g", topic: "t", partition: 2 }, value: null });
    expect(told[3].data).toEqual({ type: "unknown (28271)" });
    expect(told[4]).toMatchObject({ key: "\u0000\u0001", undecoded: expect.stringMatching(/wanted/) });
    expect(entries("__consumer_offsets-3", "--records", "--decode", "none").lines[4]).toMatchObject({
      key: "no such record",
    });
    file(`elsewhere/${NAME}.log`, batch);
    expect(entries("elsewhere", "--decode", "offsets").lines[2]).toMatchObject({ data: { value: { offset: 77 } } });
  });

  test("the metadata of a broker that runs, its snapshot and its other files", async () => {
    const child = spawn(
      process.execPath,
      [MAIN, "start", "--json", "-o", "listeners=PLAINTEXT://127.0.0.1:0", "--http-port", "off"],
      { cwd: root },
    );
    try {
      await new Promise((resolve, reject) => {
        child.stdout.once("data", resolve);
        child.once("exit", code => reject(new Error(`the broker ended with ${code}`)));
      });
      appendFileSync(join(root, `data/__cluster_metadata-0/${NAME}.log`), Uint8Array.of(0, 0, 0));
      const { lines, status } = entries("data", "--records", "--check");
      expect(status).toBe(0);
      expect(lines).toContainEqual(expect.objectContaining({ kind: "fact", name: "nodeId", value: 1 }));
      expect(lines).toContainEqual(
        expect.objectContaining({ kind: "fact", name: "snapshot", value: { offset: 0, epoch: 0 } }),
      );
      expect(lines).toContainEqual(expect.objectContaining({ kind: "fact", name: "state" }));
      expect(lines).toContainEqual(
        expect.objectContaining({ control: expect.objectContaining({ type: "snapshotFooter" }) }),
      );
      expect(lines).toContainEqual(
        expect.objectContaining({
          data: {
            type: "FeatureLevelRecord",
            version: 0,
            value: { name: "metadata.version", featureLevel: expect.any(Number) },
          },
        }),
      );
      expect(lines).toContainEqual(
        expect.objectContaining({
          data: expect.objectContaining({
            type: "RegisterBrokerRecord",
            value: expect.objectContaining({ brokerId: 1 }),
          }),
        }),
      );
      expect(lines).toContainEqual(
        expect.objectContaining({
          kind: "problem",
          damage: false,
          message: "3 bytes at the end that are no whole batch: only zeros follow",
        }),
      );
    } finally {
      const ended = new Promise(resolve => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
  });
});

describe("indexes", () => {
  const all = batches(4);
  const at = (i: number): number => all.slice(0, i).reduce((sum, batch) => sum + batch.length, 0);

  function offsets(...found: readonly (readonly [number, number])[]): Uint8Array {
    const index = new OffsetIndex(0);
    for (const [offset, position] of found) index.append(offset, position);
    return index.takeUnwritten()?.bytes ?? new Uint8Array(0);
  }

  function times(...found: readonly (readonly [number, number])[]): Uint8Array {
    const index = new TimeIndex(0);
    for (const [timestamp, offset] of found) index.append(timestamp, offset);
    return index.takeUnwritten()?.bytes ?? new Uint8Array(0);
  }

  const problems = (...args: string[]) => {
    const { lines, status } = entries(...args);
    const found = lines.filter(({ kind }) => kind === "problem").map(({ message }) => message);
    expect(status).toBe(found.length > 0 ? 1 : 0);
    return found;
  };

  test("good ones pass, with the zeros behind them that a broker leaves", () => {
    file(`t-0/${NAME}.log`, ...all);
    file(`t-0/${NAME}.index`, offsets([5, at(1)], [11, at(3)]), new Uint8Array(80));
    file(`t-0/${NAME}.timeindex`, times([START + 2, 2], [START + 11, 11]), new Uint8Array(120));
    expect(problems("t-0", "--check")).toEqual([]);
    const { lines } = entries(`t-0/${NAME}.index`, `t-0/${NAME}.timeindex`);
    expect(lines.map(({ file: _file, ...line }) => line)).toEqual([
      { kind: "index", offset: 5, position: at(1) },
      { kind: "index", offset: 11, position: at(3) },
      { kind: "timeIndex", timestamp: START + 2, offset: 2 },
      { kind: "timeIndex", timestamp: START + 11, offset: 11 },
    ]);
  });

  test("what does not fit the log is told of with --check", () => {
    file(`t-0/${NAME}.log`, ...all);
    file(`t-0/${NAME}.index`, offsets([4, at(1)], [8, at(2) + 1], [7, at(3)]), Uint8Array.of(1, 2));
    file(`t-0/${NAME}.timeindex`, times([START + 1, 2], [START + 7, 7], [START + 11, 11]));
    expect(problems(`t-0/${NAME}.index`)).toEqual(["2 bytes at the end that are no whole entry of 8"]);
    expect(problems("t-0", "--check")).toEqual([
      `the batch at ${at(1)} ends with offset 5, not 4`,
      `the log has no batch at ${at(2) + 1}`,
      `offset 7 after 8`,
      `the batch at ${at(3)} ends with offset 11, not 7`,
      "2 bytes at the end that are no whole entry of 8",
      `the batch of offset 2 has time ${START + 2}, not ${START + 1}`,
      "the log has no batch that ends with offset 7",
    ]);
    rmSync(join(root, `t-0/${NAME}.log`));
    expect(problems(`t-0/${NAME}.timeindex`, "--check")).toEqual(["there is no log to check against"]);
  });

  test("aborted transactions", () => {
    const marker = (commit: boolean, offset: bigint): Uint8Array => {
      const bytes = endTxnBatch(
        { producerId: 5n, producerEpoch: 0, coordinatorEpoch: 0, commit, timestamp: START },
        tools,
      );
      new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, offset);
      return bytes;
    };
    const index = new TxnIndex();
    for (const lastOffset of [12, 13])
      index.append({ producerId: 5n, firstOffset: 0, lastOffset, lastStableOffset: 0 });
    file(`t-0/${NAME}.log`, ...all, marker(false, 12n), marker(true, 13n));
    file(`t-0/${NAME}.txnindex`, index.takeUnwritten()?.bytes ?? new Uint8Array(0));
    const path = `t-0/${NAME}.txnindex`;
    expect(entries(path).lines[0]).toMatchObject({
      kind: "abortedTransaction",
      producerId: 5,
      firstOffset: 0,
      lastOffset: 12,
    });
    expect(problems(path, "--check")).toEqual([
      "the log has no marker at offset 13 that aborts a transaction of producer 5",
    ]);
  });
});

describe("small files", () => {
  test("are shown; of a directory, what is not known is passed over", () => {
    const batch = { lastSequence: 8, lastOffset: 20, offsetDelta: 2, timestamp: START };
    const producer = {
      producerId: 3n,
      epoch: 1,
      coordinatorEpoch: -1,
      lastTimestamp: START,
      txnFirstOffset: 18,
      batches: [batch],
    };
    file(`data/t-0/${NAME}.snapshot`, writeSnapshot([producer], tools.crc32c));
    file("data/t-0/leader-epoch-checkpoint", writeEpochs([{ epoch: 2, startOffset: 10 }]));
    file("data/t-0/partition.metadata", writeTopicId("VspO7ywDQ0KgddMfW6kLcg" as Uuid));
    file("data/t-0/.lock");
    file("data/recovery-point-offset-checkpoint", writeOffsets([{ topic: "t", partition: 0, offset: 21 }]));
    expect(dump("data/").stdout).toBe(
      [
        "data/recovery-point-offset-checkpoint",
        "      OFFSET  PARTITION",
        "          21  t-0",
        "",
        `data/t-0/${NAME}.snapshot`,
        "PRODUCER  PEPOCH  COORDINATOR EPOCH  LAST SEQUENCE  LAST OFFSET  TIME                      OPEN SINCE",
        "       3       1                  -              8           20  2023-11-14T22:13:20.000Z          18",
        "",
        "data/t-0/leader-epoch-checkpoint",
        "   EPOCH   FROM OFFSET",
        "       2            10",
        "",
        "data/t-0/partition.metadata",
        "topicId: VspO7ywDQ0KgddMfW6kLcg",
        "",
      ].join("\n"),
    );
  });

  test("damaged ones cost one line each, and the rest is shown", () => {
    file("data/meta.properties", utf8("version=1\ncluster.id=x\nnode.id=4\n"));
    file("data/t-0/leader-epoch-checkpoint", utf8("0\n7\n1 1\n"));
    file("data/t-0/quorum-state", utf8("{"));
    file(`data/t-0/${NAME}.snapshot`, utf8("noise that is no snapshot"));
    const { stdout, stderr, status } = dump("data");
    expect([status, stderr]).toEqual([1, ""]);
    expect(stdout.match(/^! .*$/gm)).toEqual([
      expect.stringMatching(/^! unknown producer snapshot version/),
      "! a checkpoint names 7 entries and holds 1",
      "! quorum-state is not JSON",
    ]);
    expect(stdout).toContain("nodeId: 4\n");
  });

  test("nothing to show is one sentence", () => {
    expect(dump("nowhere").stderr).toBe("samsa: nowhere: no such file or directory\n");
    expect(dump(".").stderr).toBe("samsa: .: no files of a log there\n");
    file("picture.png", utf8("x"));
    expect(dump("picture.png").stdout).toContain("! not a file of a log directory that this command knows\n");
  });

  test("bytes of any kind under any name throw nothing", () => {
    const names = [".log", ".index", ".timeindex", ".txnindex", ".snapshot"].map(suffix => NAME + suffix);
    const known = [
      ...names,
      "leader-epoch-checkpoint",
      "log-start-offset-checkpoint",
      "meta.properties",
      "quorum-state",
      `${NAME}-0000000001.checkpoint`,
    ];
    const options = { records: true, check: true, decode: undefined, maxBytes: Infinity };
    fc.assert(
      fc.property(fc.constantFrom(...known), fc.uint8Array({ maxLength: 300 }), (name, bytes) => {
        const path = join(root, file(`noise-0/${name}`, bytes));
        const text = new EntryText();
        for (const entry of fileEntries(env, path, options))
          expect(text.lines(entry).every(line => !line.includes("undefined"))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
