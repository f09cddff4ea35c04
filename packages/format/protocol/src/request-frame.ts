import type { ByteWriter } from "@samsa/base";
import { requestHeaderVersion } from "./apis.ts";
import { GatherWriter } from "./gather.ts";
import { requestHeader } from "./messages/index.ts";

/** Who asks what, in front of a request's body. */
export interface FrameHead {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** A request as a client sends it, size prefix and header included; shares memory with large payloads of `body`. */
export function requestFrame<B>(
  { key, version, correlationId, clientId }: FrameHead,
  message: { encode(writer: ByteWriter, body: B, version: number): void },
  body: B,
): Uint8Array[] {
  const writer = new GatherWriter();
  writer.i32(0);
  const header = { requestApiKey: key, requestApiVersion: version, correlationId, clientId };
  requestHeader.encode(writer, header, requestHeaderVersion(key, version));
  message.encode(writer, body, version);
  writer.view.setInt32(0, writer.length() - 4);
  return writer.chunks();
}
