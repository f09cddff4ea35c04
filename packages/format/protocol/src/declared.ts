import * as internalRecords from "./internal-records/index.ts";
import type { AnyMessage } from "./codec/message.ts";
import * as messages from "./messages/index.ts";
import * as metadataRecords from "./metadata-records/index.ts";

/** All messages and records that this package declares: requests, responses, headers, keys and values of records. */
export const MESSAGES: readonly AnyMessage[] = [messages, internalRecords, metadataRecords].flatMap(module =>
  Object.values<AnyMessage>(module),
);
