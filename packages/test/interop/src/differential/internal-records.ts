/** Reads records of a broker's internal topics as JSON from Kafka's converters, with random ids replaced by names. */
import { nodeCodecs } from "@samsa/node";
import { BatchCursor, RecordCursor } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import type { MessageJson } from "./message-json.ts";

const COORDINATORS = {
  group: "__consumer_offsets",
  transaction: "__transaction_state",
  share: "__share_group_state",
} as const;

/** Kind of coordinator, each with its own internal topic. */
export type Coordinator = keyof typeof COORDINATORS;

/** Fields that differ between brokers: timestamps, hosts, and hashes of random ids. */
const OWN: ReadonlySet<string> = new Set([
  "commitTimestamp",
  "currentStateTimestamp",
  "expireTimestamp",
  "timestamp",
  "metadataHash",
  "transactionStartTimestampMs",
  "transactionLastUpdateTimestampMs",
  "createTimestamp",
  "writeTimestamp",
  "assignmentTimestamp",
  "clientHost",
]);
/** Random ids in both of Kafka's forms: UUID with hyphens, and base64url. */
const RANDOM = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])/g;

/** Yields all records of an internal topic's only partition, without control records. */
async function* records(
  client: RawConnection,
  topic: string,
): AsyncGenerator<readonly [Uint8Array, Uint8Array | null]> {
  const codecs = nodeCodecs();
  for (let fetchOffset = 0; ; ) {
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 24 }];
    const body = { maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 24, sessionId: 0, sessionEpoch: -1 };
    const request = { ...body, topics: [{ topic, partitions }], forgottenTopicsData: [] };
    const { responses } = await client.ask("Fetch", 11, request);
    const read = responses[0]?.partitions[0];
    if (read?.errorCode !== 0) throw new Error(`${topic} cannot be read: error ${read?.errorCode}`);
    const batch = new BatchCursor(Buffer.concat(read.records ?? []));
    const record = new RecordCursor();
    const from = fetchOffset;
    while (batch.next()) {
      fetchOffset = batch.lastOffset + 1;
      if (batch.isControl) continue;
      record.open(batch, codecs);
      while (record.next()) yield [record.key() ?? new Uint8Array(0), record.value()];
    }
    if (fetchOffset === from) return;
  }
}

/** Names random ids by order of appearance, so that equal stories get equal names. */
class Names {
  readonly #names = new Map<string, string>();

  plain(value: unknown, name = ""): unknown {
    if (Array.isArray(value)) return value.map(part => this.plain(part, name));
    if (typeof value === "bigint") return String(value);
    if (typeof value === "string") return this.#text(value);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, part]) => (OWN.has(key) ? [] : [[key, this.plain(part, key)]])),
    );
  }

  #text(text: string): string {
    return text.replaceAll(RANDOM, id => {
      const known = this.#names.get(id);
      if (known !== undefined) return known;
      const name = `(id ${this.#names.size + 1})`;
      this.#names.set(id, name);
      return name;
    });
  }
}

/** Returns a line for each record with its version, key and value. */
export async function written(client: RawConnection, json: MessageJson, of: Coordinator): Promise<string[]> {
  const names = new Names();
  const lines: string[] = [];
  for await (const [key, value] of records(client, COORDINATORS[of])) {
    const { key: k, value: v, version } = await json.record(of, key, value);
    lines.push(JSON.stringify(names.plain({ version: version ?? "tombstone", key: k, value: v })));
  }
  return lines;
}
