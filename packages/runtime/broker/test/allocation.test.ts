import { Session } from "node:inspector";
import { Socket } from "node:net";
import { Apis, requestFrame } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

/** Requests that are sent before the measured ones, so that the code is compiled and pools are filled. */
const WARM_UP = 3000;
const MEASURED = 5000;
const IN_FLIGHT = 4;
const RECORDS = 100;
const VALUE_BYTES = 100;
const TOPIC = "budget";
/** Mean distance of the samples in bytes: some thousands of samples are in each figure. */
const SAMPLING_BYTES = 1024;
const [PRODUCE, FETCH] = [
  { api: Apis.Produce, version: 9 },
  { api: Apis.Fetch, version: 12 },
] as const;

/**
 * Most bytes on the JavaScript heap for each request of one batch, its answer and the client of this test included: a
 * third more than today. One object for each of the 100 records of a batch goes beyond them.
 */
const BUDGET = { produce: 13_000, fetch: 15_000 } as const;

interface ProfileNode {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}

/** Bytes that functions allocate on the heap of this thread while `work` runs, collected ones included. */
async function allocated(work: () => Promise<void>): Promise<Map<string, number>> {
  const session = new Session();
  session.connect();
  session.post("HeapProfiler.startSampling", {
    samplingInterval: SAMPLING_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await work();
  const head = await new Promise<ProfileNode>((resolve, reject) => {
    session.post("HeapProfiler.stopSampling", (error, { profile }) =>
      error === null ? resolve(profile.head) : reject(error),
    );
  });
  session.disconnect();
  const bytes = new Map<string, number>();
  const visit = ({ callFrame, selfSize, children }: ProfileNode): void => {
    const name = `${callFrame.functionName} ${callFrame.url.split("/").at(-1)}:${callFrame.lineNumber + 1}`;
    bytes.set(name, (bytes.get(name) ?? 0) + selfSize);
    for (const child of children) visit(child);
  };
  visit(head);
  return bytes;
}

function framed({ api, version }: typeof PRODUCE | typeof FETCH, body: object): Uint8Array {
  const header = { key: api.key, version, correlationId: 1, clientId: "budget" };
  return Buffer.concat([...requestFrame(header, api.request, body)]);
}

/** Client that sends the same request again and again, and counts the bytes of the answers, which have all one size. */
class Repeater {
  /** Size of one answer, in bytes; 0: none has come. */
  answerBytes = 0;
  readonly #socket: Socket;
  #received = 0;
  #heard: () => void = () => undefined;

  constructor(port: number) {
    const callback = (count: number, buffer: Uint8Array): boolean => {
      if (this.answerBytes === 0) this.answerBytes = 4 + new DataView(buffer.buffer, buffer.byteOffset).getInt32(0);
      this.#received += count;
      this.#heard();
      return true;
    };
    this.#socket = new Socket({ onread: { buffer: Buffer.alloc(1 << 20), callback } });
    this.#socket.setNoDelay(true);
    this.#socket.connect(port, "127.0.0.1");
  }

  repeat(request: Uint8Array, count: number): Promise<void> {
    let [sent, answered] = [0, 0];
    return new Promise((resolve, reject) => {
      this.#socket.on("error", reject);
      this.#heard = () => {
        const { answerBytes } = this;
        for (; answerBytes > 0 && this.#received >= answerBytes; this.#received -= answerBytes) answered++;
        for (; sent < count && sent - answered < IN_FLIGHT; sent++) this.#socket.write(request);
        if (answered === count) resolve();
      };
      this.#heard();
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

let broker: TestBroker;

beforeAll(async () => {
  broker = await TestBroker.start();
  const admin = await broker.connect();
  const asked = { name: TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await admin.ask("CreateTopics", 7, { topics: [asked], timeoutMs: 10_000 });
  admin.close();
});

afterAll(() => broker.stop());

/** End of the log. */
async function logEnd(): Promise<number> {
  const admin = await broker.connect();
  const topics = [{ name: TOPIC, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }] }];
  const answer = await admin.ask("ListOffsets", 7, { replicaId: -1, isolationLevel: 0, topics });
  admin.close();
  return Number(answer.topics[0].partitions[0].offset);
}

interface Cost {
  /** Heap bytes of each request, and the size of the answer. */
  readonly bytes: number;
  readonly answerBytes: number;
  /** Functions that allocate most. */
  readonly most: string;
}

async function costOf(request: Uint8Array): Promise<Cost> {
  const client = new Repeater(broker.port);
  await client.repeat(request, WARM_UP);
  const found = await allocated(() => client.repeat(request, MEASURED));
  client.close();
  const bytes = [...found.values()].reduce((sum, own) => sum + own, 0) / MEASURED;
  const sorted = [...found].toSorted(([, a], [, b]) => b - a).slice(0, 15);
  const most = sorted.map(([name, own]) => `${Math.round(own / MEASURED)} ${name}`).join("\n");
  return { bytes, answerBytes: client.answerBytes, most };
}

describe("heap", () => {
  test("of a produced batch stays within its budget", async () => {
    const rows = Array.from({ length: RECORDS }, () => ({
      ...{ timestamp: broker.env.clock.now(), key: null },
      value: new Uint8Array(VALUE_BYTES),
    }));
    const records = buildBatch(rows, {}, broker.broker.tools);
    const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records: [records] }] }];
    const body = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData };
    const before = await logEnd();
    const { bytes, most } = await costOf(framed(PRODUCE, body));
    expect(await logEnd()).toBe(before + (WARM_UP + MEASURED) * RECORDS);
    expect(bytes, most).toBeLessThan(BUDGET.produce);
  });

  test("of a fetched batch stays within its budget", async () => {
    const fetchOffset = (await logEnd()) - RECORDS;
    const partition = { partition: 0, currentLeaderEpoch: -1, fetchOffset, partitionMaxBytes: 1 };
    const body = {
      ...{ replicaId: -1, maxWaitMs: 0, minBytes: 1, maxBytes: 1, isolationLevel: 0 },
      ...{ sessionId: 0, sessionEpoch: -1, rackId: "", forgottenTopicsData: [] },
      topics: [{ topic: TOPIC, partitions: [partition] }],
    };
    const { bytes, answerBytes, most } = await costOf(framed(FETCH, body));
    expect(answerBytes).toBeGreaterThan(RECORDS * VALUE_BYTES);
    expect(bytes, most).toBeLessThan(BUDGET.fetch);
  });
});
