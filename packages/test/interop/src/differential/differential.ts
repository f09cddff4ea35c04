/** Sends the same requests to Apache Kafka and to Samsa, and collects the answers that differ. */
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { type EdgeRequest, ID } from "./edge-requests.ts";
import type { MessageJson } from "./message-json.ts";
import { newTopic, STANDING } from "./questions.ts";
import { connect } from "./connection.ts";

/** Response timeout. Requests that wait longer get no answer from either broker. */
const PATIENCE_MS = 5000;
/** Error codes to retry: a coordinator is being loaded or located, or a transaction is being completed. */
const RETRIABLE: ReadonlySet<number> = new Set([14, 15, 16, 51]);
/** Attempts of a read: Kafka's brokers apply metadata changes a moment after the controller has answered. */
const TRIES = 3;
const PAUSE_MS = 150;
const MOST_TRIES = 20;

/** Fields that depend on the broker and the time, not on the request. */
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
  // A single Samsa node opens no controller listener.
  "listeners",
  "sessionId",
  "logDir",
  "usableBytes",
  "totalBytes",
]);
const MEMBER = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const MESSAGES: ReadonlySet<string> = new Set(["errorMessage", "batchIndexErrorMessage"]);

/**
 * Removes the fields of `OWN` from an answer and sorts its lists. Of error messages only the presence counts; another
 * test compares their text.
 */
function essence(value: unknown, name = ""): unknown {
  // Lists of everything have no order, and entries for requested items carry their names.
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

/** Request with different answers, in comparable form. */
export interface Difference {
  readonly request: EdgeRequest;
  readonly theirs: string;
  readonly ours: string;
}

/** Broker with a connection, which is reopened when it is closed. */
export class Side {
  readonly #server: string;
  readonly #json: MessageJson;
  #client: RawConnection | undefined;
  #topicIds = new Map<string, string>();

  constructor(server: string, json: MessageJson) {
    this.#server = server;
    this.#json = json;
  }

  /** Creates the standing topics and waits until their metadata and the coordinators are available. */
  async prepare(): Promise<void> {
    const client = await connect(this.#server);
    await client.ask("CreateTopics", 7, { topics: STANDING.map(name => newTopic(name)), timeoutMs: 5000 });
    const asked = { topics: STANDING.map(name => ({ name })), allowAutoTopicCreation: false };
    for (;;) {
      const { topics } = await client.ask("Metadata", 12, asked);
      this.#topicIds = new Map(topics.map(({ name, topicId }) => [name ?? "", topicId]));
      if (topics.every(({ errorCode }) => errorCode === 0)) break;
      await pause();
    }
    await fill(client);
    // The first FindCoordinator creates the topic of the coordinator.
    for (const keyType of [0, 1]) {
      const sought = { keyType, coordinatorKeys: ["edge"] };
      while (!JSON.stringify(await client.ask("FindCoordinator", 4, sought)).includes('"errorCode":0')) await pause();
    }
    const [topicId] = [...this.#topicIds.values()];
    const sought = { keyType: 2, coordinatorKeys: [`edge:${topicId}:0`] };
    while (!JSON.stringify(await client.ask("FindCoordinator", 6, sought)).includes('"errorCode":0')) await pause();
    // Start the share group at offset 0, before the records of the filled topic.
    const partitions = [{ partition: 0, stateEpoch: 0, startOffset: 0 }];
    const starting = { groupId: "edge", topics: [{ topicId, partitions }] };
    while (!JSON.stringify(await client.ask("InitializeShareGroupState", 0, starting)).includes('"errorCode":0'))
      await pause();
    client.close();
  }

  async announced(): Promise<ReadonlyMap<number, { readonly first: number; readonly last: number }>> {
    const client = await connect(this.#server);
    const software = { clientSoftwareName: "edge", clientSoftwareVersion: "1" };
    const { apiKeys } = await client.ask("ApiVersions", 3, software);
    client.close();
    return new Map(
      apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { first: minVersion, last: maxVersion }]),
    );
  }

  /** Sends a request, and returns the comparable part of its answer; "unspeakable" if Kafka refuses to encode it. */
  async ask({ api, version, body }: EdgeRequest, number: number): Promise<string> {
    const bound = JSON.parse(JSON.stringify(body, hold), (_, value: unknown) => this.#bind(value, number)) as object;
    const request = await this.#json.encode(api.name, version, bound, 1);
    if (request instanceof Error) return `unspeakable: ${request.message}`;
    for (let tries = 0; ; tries++) {
      this.#client ??= await connect(this.#server);
      this.#client.writeFrame(request);
      const bytes = await this.#client.frame(PATIENCE_MS);
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

/** Encodes numbers that JSON cannot express as text for `Side`. */
function hold(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${BIG}${value}`;
  return typeof value === "number" && !Number.isFinite(value) ? `${ODD}${value}` : value;
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, PAUSE_MS));
}

/** Timestamp of the first record: recent, so that retention keeps it. */
const FILLED_AT = Date.now() - 60_000;

/** Writes three batches to the first standing topic. */
async function fill(client: RawConnection): Promise<void> {
  const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
  for (let i = 0; i < 3; i++) {
    const record = { timestamp: FILLED_AT + i * 1000, key: null, value: Uint8Array.of(i) };
    const records = [buildBatch([record, record], {}, tools)];
    const topicData = [{ name: STANDING[0], partitionData: [{ index: 0, records }] }];
    const request = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
    // The broker may become leader a moment after its metadata lists the partition.
    while (!JSON.stringify(await client.ask("Produce", 9, request)).includes('"errorCode":0')) await pause();
  }
}

/** Read-only APIs, whose requests may be repeated. */
const READS = /^(Describe|List|Metadata|Find|OffsetFetch|OffsetForLeaderEpoch|Fetch|ApiVersions|ConsumerGroupDescribe)/;

/** Sends all requests to both brokers in order. Returns the answers that differ, for reads even after retries. */
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
