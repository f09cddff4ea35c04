import { ByteReader } from "@samsa/base";
import { GROUP_METADATA, parseGroupRecord } from "../src/classic/records.ts";
import { CONSUMER_RECORD_TYPES, parseConsumerRecord } from "../src/consumer/records.ts";
import type { ShardRecord } from "../src/index.ts";
import { parseOffsetRecord } from "../src/group/records.ts";

/** Decodes a record of a committed offset, a classic group or a consumer group. */
export function parseRecord({ key, value }: ShardRecord) {
  const reader = new ByteReader(key);
  const type = reader.i16();
  if (type === GROUP_METADATA) return { type: "group", ...parseGroupRecord(reader, value) } as const;
  if (CONSUMER_RECORD_TYPES.includes(type)) {
    return { type: "consumer", record: parseConsumerRecord(type, reader, value) } as const;
  }
  const offset = parseOffsetRecord(type, reader, value);
  return offset === undefined ? ({ type: "other" } as const) : ({ type: "offset", ...offset } as const);
}
