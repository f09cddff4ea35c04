import { type ByteReader, MalformedError } from "@samsa/base";
import { requestHeader } from "@samsa/protocol";
import type { Access } from "./access.ts";

/** State of a connection's client for the life of the connection. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  /** Name and version of the client's software from ApiVersions (KIP-511). */
  software: { readonly name: string; readonly version: string };
  /** True once it has fetched as a replica: no limit on clients, and no quota, holds back a broker of the cluster. */
  isBroker?: boolean;
}

/**
 * Memory of a request, which counts against `queued.max.request.bytes` until all its holders have freed it, or until the
 * reply. The caller of the handler is one, until the handler returns (if it is `transient`) or replies. A request that
 * waits for other replicas must hold nothing: its memory may be what their fetches wait for.
 */
export interface RequestMemory {
  /** Adds a holder. */
  keep(): void;
  /** Removes a holder. */
  free(): void;
}

/** Kafka's name and version of software that a client has not sent. */
export const UNKNOWN_SOFTWARE: Peer["software"] = { name: "unknown", version: "unknown" };

/** Request header and connection. */
export interface RequestOrigin {
  readonly version: number;
  /** Name of the principal; ANONYMOUS on a listener that authenticates nobody. */
  readonly user: string;
  /** True if the client has authenticated with a delegation token. */
  readonly byToken: boolean;
  /** True if the client may ask for delegation tokens: it is known, and its connection is not in clear text. */
  readonly allowsTokens: boolean;
  /** Client id; "" if the client sent none. */
  readonly clientId: string;
  /** Name of the listener; responses contain endpoints of the same listener. */
  readonly listener: string;
  readonly peer: Peer;
  readonly memory?: RequestMemory;
  /** Closes the connection: the only way to report an error to a client that expects no response. */
  readonly close: (reason: string) => void;
}

/** Origin of a request, as handlers see it. */
export interface RequestContext extends RequestOrigin {
  /** Permissions of the client. */
  readonly access: Access;
}

export interface RequestHead {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
}

const FIXED_BYTES = 8;

/**
 * Reads the header of a request. The header version depends on the API key and version within it, so those are read
 * first. Throws `MalformedError`.
 */
export function readHead(reader: ByteReader, headerVersion: (key: number, version: number) => number): RequestHead {
  if (reader.remaining() < FIXED_BYTES) throw new MalformedError("a request without a header");
  const key = reader.view.getInt16(reader.position);
  const version = reader.view.getInt16(reader.position + 2);
  const head = requestHeader.decode(reader, headerVersion(key, version));
  return { key, version, correlationId: head.correlationId, clientId: head.clientId ?? "" };
}
