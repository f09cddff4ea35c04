import * as protocol from "@samsa/protocol";
import type { AnyMessage } from "@samsa/protocol";
import type { OurProtocol } from "./schema-compare.ts";

function isMessage(value: unknown): value is AnyMessage {
  return typeof value === "object" && value !== null && "decode" in value && "fields" in value;
}

function recordIds(): Map<AnyMessage, number> {
  const ids = new Map<AnyMessage, number>();
  const { GROUP_RECORDS, TRANSACTION_RECORDS, SHARE_RECORDS, METADATA_RECORDS, REMOTE_LOG_RECORDS } = protocol;
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
  const messages = Object.values<unknown>(protocol).filter(isMessage);
  return { messages, apis: protocol.APIS, recordIds: recordIds() };
}
