import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat, type Uuid } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import { checkpointName, encodeSnapshot, metadataBatch } from "@samsa/quorum";
import type { Tools } from "@samsa/records";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Failure } from "../src/terminal/failure.ts";
import { loadMetadata } from "../src/metadata/load.ts";
import { MetadataShell } from "../src/metadata/shell.ts";
import { rootOf } from "../src/metadata/tree.ts";
import { MAIN } from "./bundle.ts";

const NAME = "00000000000000000000";
const TOPIC = "VspO7ywDQ0KgddMfW6kLcg" as Uuid;
const OTHER = "mbOpU19KRzOS0FsLbButUw" as Uuid;
const START = 1_700_000_000_000;
const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const tools: Tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "samsa-metadata-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function samsa(args: readonly string[], input = "") {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: root, timeout: 300_000, input });
}

const metadata = (...args: string[]) => samsa(["metadata", ...args]);

/** Output of a shell command on the metadata at `place`; a last word `--json` selects JSON. */
function said(place: string, ...words: string[]): string {
  const { image, notes } = loadMetadata(env, join(root, place));
  expect(notes).toEqual([]);
  const json = words.at(-1) === "--json";
  const lines = new MetadataShell(rootOf(image)).run(json ? words.slice(0, -1) : words, json);
  return [...lines].map(line => `${line}\n`).join("");
}

function file(path: string, ...bytes: readonly Uint8Array[]): string {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), concat(bytes));
  return path;
}

function topic(name: string, topicId: Uuid): MetadataRecord[] {
  return [
    metadataRecord("TopicRecord", 0, { name, topicId }),
    metadataRecord("PartitionRecord", 1, {
      topicId,
      partitionId: 0,
      replicas: [1],
      isr: [1],
      addingReplicas: [],
      removingReplicas: [],
      leader: 1,
      leaderEpoch: 3,
      partitionEpoch: 8,
      directories: [OTHER],
    }),
  ];
}

const batch = (records: readonly MetadataRecord[], baseOffset: number): Uint8Array =>
  metadataBatch(records, { baseOffset, epoch: 2, timestamp: START + baseOffset }, tools);

/** Builds a snapshot of the log before offset 10, with a record of every kind. */
function snapshot(): Uint8Array[] {
  const credential = {
    name: "ann",
    mechanism: 1,
    salt: Uint8Array.of(1),
    storedKey: Uint8Array.of(2),
    serverKey: Uint8Array.of(3),
    iterations: 4096,
  };
  const entity = [
    { entityType: "user", entityName: "CN=a/b (c)" },
    { entityType: "client-id", entityName: null },
  ];
  const records = [
    metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel: 30 }),
    metadataRecord("FeatureLevelRecord", 0, { name: "group.version", featureLevel: 1 }),
    ...topic("t", TOPIC),
    metadataRecord("ConfigRecord", 0, { resourceType: 2, resourceName: "t", name: "retention.ms", value: "7" }),
    metadataRecord("ConfigRecord", 0, { resourceType: 4, resourceName: "", name: "log.segment.bytes", value: "9" }),
    metadataRecord("ClientQuotaRecord", 0, { entity, key: "producer_byte_rate", value: 5, remove: false }),
    metadataRecord("UserScramCredentialRecord", 0, credential),
    metadataRecord("ProducerIdsRecord", 0, { brokerId: 1, brokerEpoch: 4, nextProducerId: 3000n }),
  ];
  const facts = { lastContainedLogTimestamp: START, kraftVersion: 0, voters: undefined, writtenAt: START, records };
  return encodeSnapshot({ offset: 10, epoch: 1 }, facts, tools);
}

describe("a snapshot and the log behind it", () => {
  beforeEach(() => {
    file(`data/__cluster_metadata-0/${checkpointName({ offset: 10, epoch: 1 })}`, ...snapshot());
    // Records that the snapshot covers are not replayed.
    file(`data/__cluster_metadata-0/${NAME}.log`, batch(topic("gone", OTHER), 0));
    const later = [...topic("u", OTHER), metadataRecord("NoOpRecord", 0, {})];
    file("data/__cluster_metadata-0/00000000000000000008.log", batch(topic("gone", OTHER), 8), batch(later, 10));
  });

  test("ls, cat, find and tree of paths", () => {
    expect(said("data", "ls")).toBe("image\nlocal\n");
    expect(said("data", "ls", "/image")).toBe(
      "acls\nclientQuotas\ncluster\nconfigs\ndelegationToken\nfeatures\nproducerIds\nprovenance\nscram\ntopics\n",
    );
    expect(said("data", "ls", "/image/topics/byName")).toBe("t\nu\n");
    expect(said("data", "ls", "/image/topics/byId/*")).toBe(
      `/image/topics/byId/${TOPIC}:\n0\nid\nname\n\n/image/topics/byId/${OTHER}:\n0\nid\nname\n`,
    );
    expect(JSON.parse(said("data", "cat", "/image/topics/byName/t/0"))).toMatchObject({
      replicas: [1],
      leaderEpoch: 3,
      elr: [],
    });
    expect(said("data", "cat", "/image/provenance", "/image/features/*", "/image/producerIds/nextProducerId")).toBe(
      "offset 12, epoch 2, time 2023-11-14T22:13:20.010Z\n1\n4.3-IV0\n3000\n",
    );
    expect(said("data", "find", "image/configs")).toBe(
      "/image/configs\n/image/configs/BROKER\n/image/configs/BROKER/log.segment.bytes\n/image/configs/TOPIC:t\n/image/configs/TOPIC:t/retention.ms\n",
    );
    expect(said("data", "tree", "/image/configs")).toBe(
      "BROKER:\n  log.segment.bytes:\n    9\nTOPIC:t:\n  retention.ms:\n    7\n",
    );
  });

  test("names with slashes are reached, brackets are marked", () => {
    const [, , path] = said("data", "find", "/image/clientQuotas").trimEnd().split("\n");
    expect(path).toBe("/image/clientQuotas/clientId(<default>)_user(CN=a/b \\(c\\))/producer_byte_rate");
    expect(said("data", "cat", path)).toBe("5\n");
  });

  test("--json", () => {
    expect(JSON.parse(said("data", "tree", "/image/scram", "--json"))).toEqual({
      "SCRAM-SHA-256": { ann: { salt: "AQ==", storedKey: "Ag==", serverKey: "Aw==", iterations: 4096 } },
      "SCRAM-SHA-512": {},
    });
    expect(JSON.parse(said("data", "ls", "/image/topics/byName", "--json"))).toEqual(["t", "u"]);
    expect(JSON.parse(said("data", "find", "/local", "--json"))).toEqual([
      "/local",
      "/local/commitId",
      "/local/version",
    ]);
    expect(JSON.parse(said("data", "cat", "/image/topics/byName/u/id", "--json"))).toBe(OTHER);
  });

  test("a file alone", () => {
    const path = `data/__cluster_metadata-0/${checkpointName({ offset: 10, epoch: 1 })}`;
    expect(said(path, "ls", "/image/topics/byName")).toBe("t\n");
    expect(said(path, "cat", "/image/provenance")).toBe("offset 9, epoch 1, time 2023-11-14T22:13:20.000Z\n");
    expect(said(`data/__cluster_metadata-0/${NAME}.log`, "ls", "/image/topics/byName")).toBe("gone\n");
  });

  test("commands line by line, with a place to be at", () => {
    const { stdout, stderr, status } = samsa(
      ["metadata", "data"],
      "cd image/topics/byName\npwd\nls\n\ncat nothing\ncd t\ncat name\nfrom here\ncd name\ncd ../..\npwd\nexit\npwd\n",
    );
    expect(status).toBe(0);
    expect(stdout).toBe("/image/topics/byName\nt\nu\nt\n/image/topics\n");
    expect(stderr.split("\n")).toEqual([
      "cat: nothing: no such file or directory",
      expect.stringContaining('no command "from"'),
      "cd: name: not a directory",
      "",
    ]);
  });

  test("what is not there is said in one sentence", () => {
    const refused = (place: string, ...words: string[]): string => {
      try {
        said(place, ...words);
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
        return (error as Failure).message;
      }
      throw new Error("it was not refused");
    };
    expect(metadata("data", "cat", "/image/topics")).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "samsa: cat: /image/topics: is a directory\n",
    });
    expect(refused("data", "cat", "/image/topics")).toContain("is a directory");
    expect(refused("data", "cat")).toContain("name what to show");
    expect(refused("data", "ls", "/image/toppings")).toContain("no such file or directory");
    expect(refused("data", "cat", "/image/topics/byName/constructor")).toContain("no such file or directory");
    expect(refused("data", "toString")).toContain("no command");
    expect(refused("nowhere", "ls")).toContain("no such file or directory");
    expect(refused(".", "ls")).toContain("no metadata log there");
    file("x.txt");
    expect(refused("x.txt", "ls")).toContain("neither a metadata log");
  });
});

describe("a log that cannot be read to its end", () => {
  const records = topic("t", TOPIC);

  /** Output of `ls` on the topics, the note, and the exit code. */
  function topics(...bytes: readonly Uint8Array[]): [string, string, number | null] {
    file(`m/${NAME}.log`, ...bytes);
    const { stdout, stderr, status } = metadata("m", "ls", "/image/topics/byName");
    return [stdout, stderr, status];
  }

  test("shows what is before the damage", () => {
    const [good, bad] = [batch(records, 0), batch(topic("u", OTHER), 2)];
    bad[bad.length - 1] ^= 1;
    const note = (reason: string): string =>
      `samsa: m/${NAME}.log at ${good.length}: ${reason}; what follows is not shown\n`;
    expect(topics(good, bad)).toEqual(["t\n", note("the checksum is wrong"), 1]);
    expect(topics(good, batch(topic("u", OTHER), 5))).toEqual(["t\n", note("offset 5 comes where 2 must"), 1]);
    expect(topics(good, batch(records, 2))).toEqual(["t\n", note("topic t is created twice"), 1]);
  });

  test("a torn tail is nothing to speak of", () => {
    const good = batch(records, 0);
    expect(topics(good, batch(topic("u", OTHER), 2).subarray(0, 90))).toEqual(["t\n", "", 0]);
    expect(topics(good, new Uint8Array(4096))).toEqual(["t\n", "", 0]);
  });
});

test("the directory of a broker that runs", async () => {
  const child = spawn(
    process.execPath,
    [MAIN, "start", "--json", "-o", "listeners=PLAINTEXT://127.0.0.1:0", "--http-port", "off"],
    { cwd: root },
  );
  try {
    const ready = await new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
      child.once("exit", code => reject(new Error(`the broker ended with ${code}`)));
    });
    const server = `127.0.0.1:${JSON.parse(ready).listeners[0].port}`;
    expect(samsa(["topic", "create", "fresh", "-p", "2", "-b", server]).status).toBe(0);
    expect(said("data", "ls", "/image/topics/byName/fresh")).toBe("0\n1\nid\nname\n");
    expect(JSON.parse(said("data", "cat", "/image/cluster/brokers/1"))).toMatchObject({ brokerId: 1, fenced: false });
    expect(said("data", "cat", "/image/features/metadataVersion")).toMatch(/^\d\.\d-IV\d\n$/);
  } finally {
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
});
