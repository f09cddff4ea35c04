import {
  type AnyMessage,
  APIS,
  GROUP_RECORDS,
  MESSAGES,
  METADATA_RECORDS,
  REMOTE_LOG_RECORDS,
  SHARE_RECORDS,
  TRANSACTION_RECORDS,
} from "@samsa/protocol";
import type { OurProtocol } from "./schema-compare.ts";

function recordIds(): Map<AnyMessage, number> {
  const ids = new Map<AnyMessage, number>();
  for (const { id, message } of [...Object.values(METADATA_RECORDS), ...Object.values(REMOTE_LOG_RECORDS)]) {
    ids.set(message, id);
  }
  for (const table of [GROUP_RECORDS, TRANSACTION_RECORDS, SHARE_RECORDS]) {
    for (const { id, key, value } of Object.values<{ id: number; key: AnyMessage; value: AnyMessage }>(table)) {
      ids.set(key, id).set(value, id);
    }
  }
  return ids;
}

/** Everything that `@samsa/protocol` declares. */
export function ourProtocol(): OurProtocol {
  return { messages: MESSAGES, apis: APIS, recordIds: recordIds() };
}
