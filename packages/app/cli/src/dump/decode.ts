import { ByteReader, MalformedError } from "@samsa/base";
import {
  type AnyMessage,
  type CoordinatorTable,
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeCoordinatorRecord,
  decodeMetadataRecord,
  decodeRemoteLogRecord,
  GROUP_RECORDS,
  SHARE_RECORDS,
  TRANSACTION_RECORDS,
} from "@samsa/protocol";

/** Decodes a record of an internal topic. Throws if the bytes are not such a record. */
export type Decoder = (key: Uint8Array | null, value: Uint8Array | null) => Readonly<Record<string, unknown>>;

const PROTOCOL_PARTS: readonly (readonly [string, AnyMessage])[] = [
  ["subscription", consumerProtocolSubscription],
  ["assignment", consumerProtocolAssignment],
];

/** Decodes subscriptions and assignments of classic consumer groups. Undecodable ones stay bytes. */
function readMembers(value: object | null): object | null {
  if (value === null || !("members" in value) || !("protocolType" in value)) return value;
  if (value.protocolType !== "consumer" || !Array.isArray(value.members)) return value;
  const members = value.members.map((member: Readonly<Record<string, unknown>>) => {
    const read: Record<string, unknown> = { ...member };
    for (const [name, message] of PROTOCOL_PARTS) {
      const bytes = member[name];
      if (!(bytes instanceof Uint8Array) || bytes.length === 0) continue;
      try {
        const reader = new ByteReader(bytes);
        read[name] = message.decode(reader, Math.min(reader.i16(), message.last));
      } catch (error) {
        // Clients may send arbitrary bytes here.
        if (!(error instanceof MalformedError)) throw error;
      }
    }
    return read;
  });
  return { ...value, members };
}

function coordinator(table: CoordinatorTable): Decoder {
  return (key, value) => {
    if (key === null) return { type: "unknown" };
    const record = decodeCoordinatorRecord(table, { key, value });
    if (record === undefined) return { type: `unknown (${new ByteReader(key).i16()})` };
    const { type, key: of, version, value: data } = record;
    return { type, key: of, ...(data === null ? { value: null } : { version, value: readMembers(data as object) }) };
  };
}

function framed(decode: (value: Uint8Array) => { readonly type: string }): Decoder {
  return (_key, value) => (value === null ? { type: "unknown" } : { ...decode(value) });
}

/** Decoders by value of `--decode`. */
const DECODERS = {
  offsets: coordinator(GROUP_RECORDS),
  transactions: coordinator(TRANSACTION_RECORDS),
  share: coordinator(SHARE_RECORDS),
  metadata: framed(decodeMetadataRecord),
  "remote-log": framed(decodeRemoteLogRecord),
} as const satisfies Readonly<Record<string, Decoder>>;

const TOPICS: readonly (readonly [string, keyof typeof DECODERS])[] = [
  ["__consumer_offsets", "offsets"],
  ["__transaction_state", "transactions"],
  ["__share_group_state", "share"],
  ["__cluster_metadata", "metadata"],
  ["__remote_log_metadata", "remote-log"],
];

/** Decoder of the records in a partition directory: the `wanted` one, else that of the directory's topic. */
export function decoderFor(wanted: string | undefined, directory: string): Decoder | undefined {
  const topic = directory.replace(/-\d+(?:\.[^/]*)?$/, "");
  const name = wanted ?? TOPICS.find(([known]) => known === topic)?.[1];
  return Object.entries(DECODERS).find(([known]) => known === name)?.[1];
}
