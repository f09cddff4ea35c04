import type { ByteWriter } from "@samsa/base";
import { responseHeaderVersion } from "./apis.ts";
import { GatherWriter } from "./codec/gather.ts";
import { responseHeader } from "./messages/index.ts";

/**
 * Encodes a response to the request with this key, version and correlation id, with size prefix and header, ready to
 * send. The chunks share memory with large payloads of `body`. A caller with many responses passes a writer, which is used
 * for one after the other.
 */
export function responseFrame<B>(
  { key, version, correlationId }: { readonly key: number; readonly version: number; readonly correlationId: number },
  message: { encode(writer: ByteWriter, body: B, version: number): void },
  body: B,
  writer: GatherWriter = new GatherWriter(),
): Uint8Array[] {
  writer.clear();
  writer.i32(0);
  responseHeader.encode(writer, { correlationId }, responseHeaderVersion(key, version));
  message.encode(writer, body, version);
  writer.view.setInt32(0, writer.length() - 4);
  return writer.takeChunks();
}
