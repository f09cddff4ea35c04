import { type ByteReader, MalformedError } from "@samsa/base";
import { requestHeader } from "@samsa/protocol";

/** What a connection knows of its client for as long as it is open. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  /** What the client calls itself in ApiVersions (KIP-511). */
  software: { readonly name: string; readonly version: string };
}

/** What Kafka takes a client for that has not said. */
export const UNKNOWN_SOFTWARE: Peer["software"] = { name: "unknown", version: "unknown" };

/** Who asks, and how. */
export interface RequestContext {
  readonly version: number;
  /** The name of the principal; nobody has authenticated himself. */
  readonly user: string;
  /** "" when the client gave none. */
  readonly clientId: string;
  /** Name of the listener: answers name the addresses of the same one. */
  readonly listener: string;
  readonly peer: Peer;
  /** Closes the connection: all that can be said to a client that wants no reply. */
  close(reason: string): void;
}

export interface RequestHead {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
}

const FIXED_BYTES = 8;

/**
 * Reads the header of a request. The version of the header depends on the key and version inside it, which is why
 * those are read first. Throws `MalformedError`.
 */
export function readHead(reader: ByteReader, headerVersion: (key: number, version: number) => number): RequestHead {
  if (reader.remaining() < FIXED_BYTES) throw new MalformedError("a request without a header");
  const key = reader.view.getInt16(reader.position);
  const version = reader.view.getInt16(reader.position + 2);
  const head = requestHeader.decode(reader, headerVersion(key, version));
  return { key, version, correlationId: head.correlationId, clientId: head.clientId ?? "" };
}
