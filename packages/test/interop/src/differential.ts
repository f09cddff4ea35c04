/** The same requests to Apache Kafka and to Samsa, and the answers that differ. */
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { ApiKey, type ApiVersionsResponse } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { type EdgeRequest, ID } from "./edge-requests.ts";
import type { MessageJson } from "./message-json.ts";
import { newTopic, STANDING } from "./questions.ts";
import { RawClient } from "./raw-client.ts";

/** Time for an answer; requests that wait for longer have none from either side. */
const PATIENCE_MS = 5000;
/** A coordinator is being loaded or looked for: the same question again gets the answer that counts. */
const RETRIABLE: ReadonlySet<number> = new Set([14, 15, 16, 51]);
/** Kafka's brokers hear of changes a moment after the controller has answered. */
const TRIES = 3;
const PAUSE_MS = 150;
const MOST_TRIES = 20;

/** Values that depend on the broker and the moment, not on the question. */
const OWN: ReadonlySet<string> = new Set([
  "throttleTimeMs",
  "port",
  "clusterId",
  "topicId",
  "memberId",
  "leaderEpoch",
  "currentLeaderEpoch",
  "logAppendTimeMs",
  "clientInstanceId",
  "replicaDirectoryId",
  "finalizedFeaturesEpoch",
  // A single node of ours opens none for controllers.
  "listeners",
  "sessionId",
  "logDir",
  "usableBytes",
  "totalBytes",
]);
const MEMBER = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const MESSAGES: ReadonlySet<string> = new Set(["errorMessage", "batchIndexErrorMessage"]);

/** An answer without what is each broker's own. Sentences count as there or not there: their words are compared elsewhere. */
export function essence(value: unknown, name = ""): unknown {
  // Lists of all that there is have no order, and those of what was asked for tell it by their names.
  if (Array.isArray(value)) return value.map(part => essence(part, name)).sort(byText);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return MESSAGES.has(name) && value !== "" ? "…" : value.replaceAll(MEMBER, "(id)");
  if (value === null || typeof value !== "object") return value;
  const found: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(value)) if (!OWN.has(key)) found[key] = essence(part, key);
  return found;
}

function byText(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : Number(left > right);
}

export interface Difference {
  readonly request: EdgeRequest;
  readonly theirs: string;
  readonly ours: string;
}

/** One broker and a connection to it, made again when it is closed. */
export class Side {
  readonly #server: string;
  readonly #json: MessageJson;
  #client: RawClient | undefined;
  #topicIds = new Map<string, string>();

  constructor(server: string, json: MessageJson) {
    this.#server = server;
    this.#json = json;
  }

  /** Creates the standing topics and waits until they are known. */
  async prepare(): Promise<void> {
    const client = await RawClient.open(this.#server);
    await client.ask(ApiKey.CreateTopics, 7, { topics: STANDING.map(name => newTopic(name)), timeoutMs: 5000 });
    const asked = { topics: STANDING.map(name => ({ name })), allowAutoTopicCreation: false };
    for (;;) {
      const { topics } = (await client.ask(ApiKey.Metadata, 12, asked)) as {
        topics: readonly { readonly errorCode: number; readonly name: string; readonly topicId: string }[];
      };
      this.#topicIds = new Map(topics.map(({ name, topicId }) => [name, topicId]));
      if (topics.every(({ errorCode }) => errorCode === 0)) break;
      await pause();
    }
    await fill(client);
    // The topics of the coordinators are created by the first who looks for one.
    for (const keyType of [0, 1]) {
      const sought = { keyType, coordinatorKeys: ["edge"] };
      while (!JSON.stringify(await client.ask(ApiKey.FindCoordinator, 4, sought)).includes('"errorCode":0'))
        await pause();
    }
    const [topicId] = [...this.#topicIds.values()];
    const sought = { keyType: 2, coordinatorKeys: [`edge:${topicId}:0`] };
    while (!JSON.stringify(await client.ask(ApiKey.FindCoordinator, 6, sought)).includes('"errorCode":0'))
      await pause();
    // The share group has the records of the filled topic before it.
    const partitions = [{ partition: 0, stateEpoch: 0, startOffset: 0 }];
    const starting = { groupId: "edge", topics: [{ topicId, partitions }] };
    while (!JSON.stringify(await client.ask(ApiKey.InitializeShareGroupState, 0, starting)).includes('"errorCode":0'))
      await pause();
    client.close();
  }

  async announced(): Promise<ReadonlyMap<number, { readonly first: number; readonly last: number }>> {
    const client = await RawClient.open(this.#server);
    const software = { clientSoftwareName: "edge", clientSoftwareVersion: "1" };
    const { apiKeys } = (await client.ask(ApiKey.ApiVersions, 3, software)) as ApiVersionsResponse;
    client.close();
    return new Map(
      apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { first: minVersion, last: maxVersion }]),
    );
  }

  /** The answer's essence; "unspeakable" when Kafka's classes refuse the request. */
  async ask({ api, version, body }: EdgeRequest, number: number): Promise<string> {
    const bound = JSON.parse(JSON.stringify(body, hold), (_, value: unknown) => this.#bind(value, number)) as object;
    const request = await this.#json.encode(api.name, version, bound, 1);
    if (request instanceof Error) return `unspeakable: ${request.message}`;
    for (let tries = 0; ; tries++) {
      this.#client ??= await RawClient.open(this.#server);
      const bytes = await this.#client.send(request, PATIENCE_MS);
      if (bytes === undefined) {
        this.#client.close();
        this.#client = undefined;
        return "no answer";
      }
      const text = JSON.stringify(essence(await this.#json.decode(api.name, version, bytes)));
      const codes = [...text.matchAll(/"errorCode":(\d+)/g)].map(([, code]) => Number(code));
      if (tries > MOST_TRIES || !codes.some(code => RETRIABLE.has(code))) return text;
      await pause();
    }
  }

  #bind(value: unknown, number: number): unknown {
    if (typeof value !== "string") return value;
    if (value.startsWith(BIG)) return BigInt(value.slice(BIG.length));
    if (value.startsWith(ODD)) return Number(value.slice(ODD.length));
    if (value.startsWith(ID)) return this.#topicIds.get(value.slice(ID.length));
    return value.replace("$n", String(number));
  }

  close(): void {
    this.#client?.close();
  }
}

const BIG = "$big:";
const ODD = "$odd:";

/** Numbers that JSON cannot say, as text that `Side` reads. */
function hold(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${BIG}${value}`;
  return typeof value === "number" && !Number.isFinite(value) ? `${ODD}${value}` : value;
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, PAUSE_MS));
}

/** Young enough that retention leaves it alone. */
const FILLED_AT = Date.now() - 60_000;

/** Three batches in the first standing topic. */
async function fill(client: RawClient): Promise<void> {
  const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
  for (let i = 0; i < 3; i++) {
    const record = { timestamp: FILLED_AT + i * 1000, key: null, value: Uint8Array.of(i) };
    const records = [buildBatch([record, record], {}, tools)];
    const topicData = [{ name: STANDING[0], partitionData: [{ index: 0, records }] }];
    const request = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
    // A broker leads a partition a moment after it has told of it.
    while (!JSON.stringify(await client.ask(ApiKey.Produce, 9, request)).includes('"errorCode":0')) await pause();
  }
}

/** APIs that change nothing, whose question may be asked again. */
const READS = /^(Describe|List|Metadata|Find|OffsetFetch|OffsetForLeaderEpoch|Fetch|ApiVersions|ConsumerGroupDescribe)/;

/** Asks both the same, in the same order, and gives what differs even when it is asked again. */
export async function compare(requests: readonly EdgeRequest[], kafka: Side, samsa: Side): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (const [number, request] of requests.entries()) {
    for (let tries = 1; ; tries++) {
      const [theirs, ours] = await Promise.all([kafka.ask(request, number), samsa.ask(request, number)]);
      if (theirs === ours) break;
      if (tries === TRIES || !READS.test(request.api.name)) {
        differences.push({ request, theirs, ours });
        break;
      }
      await pause();
    }
  }
  return differences;
}
