import type { ByteWriter } from "@samsa/base";
import { requestHeaderVersion } from "./apis.ts";
import { GatherWriter } from "./codec/gather.ts";
import { requestHeader } from "./messages/index.ts";

/** Contents of a request header. */
export interface FrameHead {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/**
 * Encodes a request with size prefix and header, ready to send. The chunks share memory with large payloads of `body`.
 * A caller with many requests passes a writer, which is used for one after the other.
 */
export function requestFrame<B>(
  { key, version, correlationId, clientId }: FrameHead,
  message: { encode(writer: ByteWriter, body: B, version: number): void },
  body: B,
  writer: GatherWriter = new GatherWriter(),
): Uint8Array[] {
  writer.clear();
  writer.i32(0);
  const header = { requestApiKey: key, requestApiVersion: version, correlationId, clientId };
  requestHeader.encode(writer, header, requestHeaderVersion(key, version));
  message.encode(writer, body, version);
  writer.view.setInt32(0, writer.length() - 4);
  return writer.takeChunks();
}
