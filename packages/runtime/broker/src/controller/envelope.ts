import { ByteReader, ByteWriter, joined, MalformedError } from "@samsa/base";
import {
  type ApiName,
  Apis,
  defaultPrincipalData,
  type EnvelopeRequest,
  requestFrame,
  requestHeaderVersion,
  responseHeader,
  responseHeaderVersion,
} from "@samsa/protocol";
import { readHead, type RequestHead } from "../request/request-context.ts";
import type { ControllerClient } from "./controller-channel.ts";
import { addressBytes, addressText } from "./ip-address.ts";

/** Bytes of the size prefix of a frame, which an Envelope lacks. */
const SIZE_BYTES = 4;
const PRINCIPAL_VERSION = 0;
const USER = "User";

/** Request that an Envelope contains. */
export interface OpenedEnvelope {
  readonly head: RequestHead;
  /** Reader at the body of the request. */
  readonly body: ByteReader;
  readonly user: string;
  /** True if the client has authenticated with a delegation token. */
  readonly byToken: boolean;
  /** Address of the client. */
  readonly host: string;
}

function principalBytes({ user: name, byToken: tokenAuthenticated }: ControllerClient): Uint8Array {
  const writer = new ByteWriter();
  writer.i16(PRINCIPAL_VERSION);
  defaultPrincipalData.encode(writer, { type: USER, name, tokenAuthenticated }, PRINCIPAL_VERSION);
  return writer.finish();
}

function principalOf(bytes: Uint8Array): Pick<OpenedEnvelope, "user" | "byToken"> {
  const reader = new ByteReader(bytes);
  const version = reader.i16();
  if (version !== PRINCIPAL_VERSION) throw new MalformedError(`a principal of version ${version}`);
  const { name: user, tokenAuthenticated: byToken } = defaultPrincipalData.decode(reader, version);
  return { user, byToken };
}

/** Puts the request of a client into an Envelope (`ForwardingManager`, KIP-590). */
export function sealEnvelope<N extends ApiName>(
  api: N,
  request: object,
  client: ControllerClient,
  correlationId: number,
): EnvelopeRequest {
  const { host, clientId, version } = client;
  const { key, request: schema } = Apis[api];
  const untyped = schema as { encode(writer: ByteWriter, value: object, version: number): void };
  const frame = joined(requestFrame({ key, version, correlationId, clientId }, untyped, request));
  return {
    requestData: frame.subarray(SIZE_BYTES),
    requestPrincipal: principalBytes(client),
    clientHostAddress: addressBytes(host),
  };
}

/** Reads the header of the request in an Envelope (`EnvelopeUtils`). Throws `MalformedError`. */
export function openEnvelope({ requestData, requestPrincipal, clientHostAddress }: EnvelopeRequest): OpenedEnvelope {
  if (requestPrincipal === null) throw new MalformedError("an envelope without a principal");
  const body = new ByteReader(requestData);
  const head = readHead(body, requestHeaderVersion);
  return { head, body, ...principalOf(requestPrincipal), host: addressText(clientHostAddress) };
}

/** Decodes the response in the reply to an Envelope. Throws `MalformedError`, also if it is that of another request. */
export function openResponse<N extends ApiName>(
  api: N,
  data: Uint8Array,
  version: number,
  correlationId: number,
): object {
  const { key, response } = Apis[api];
  const reader = new ByteReader(data);
  const head = responseHeader.decode(reader, responseHeaderVersion(key, version));
  if (head.correlationId !== correlationId) {
    throw new MalformedError(`the response has correlation id ${head.correlationId} instead of ${correlationId}`);
  }
  return response.decode(reader, version);
}
