import {
  type BrokerId,
  type BufferPool,
  ByteReader,
  type Env,
  invariant,
  MalformedError,
  type Timer,
} from "@samsa/base";
import {
  type Api,
  type ApiName,
  Apis,
  type ApiVersionsResponse,
  type Draft,
  errorOf,
  Errors,
  type Infer,
  GatherWriter,
  requestFrame,
  responseHeader,
  responseHeaderVersion,
  UnsupportedVersionError,
} from "@samsa/protocol";
import type { Endpoint } from "./endpoint.ts";
import { FrameChannel, type FrameReceiver } from "./frame-channel.ts";
import { InFlightRequests } from "./in-flight-requests.ts";
import { authenticate, withoutSasl } from "./sasl/authenticate.ts";
import type { SaslCredentials, Security } from "./sasl/credentials.ts";
import { fallbackVersion, NodeApiVersions } from "./node-api-versions.ts";
import { type ObservedRequest, type RequestObserver, RequestReporter } from "./request-observer.ts";
import { WireError } from "./error/wire-error.ts";

/** Request of an API, as encoding takes it. */
export type RequestOf<N extends ApiName> = Draft<(typeof Apis)[N]["request"]>;
/** Request of an API, or a function that builds it for the version that both sides support. */
export type RequestFor<N extends ApiName> = RequestOf<N> | ((version: number) => RequestOf<N>);
/** Response of an API, as decoding gives it. */
export type ResponseOf<N extends ApiName> = Infer<(typeof Apis)[N]["response"]>;

/** Settings of a `BrokerConnection`. Defaults are those of Kafka's clients. */
export interface ConnectionOptions {
  readonly clientId: string;
  /** Name and version of the client's software, which brokers count (KIP-511). */
  readonly software: { readonly name: string; readonly version: string };
  /** Longest time to connect and to learn the API versions (`socket.connection.setup.timeout.ms`). 10 s by default. */
  readonly setupTimeoutMs?: number;
  /** Longest time from a call to its response (`request.timeout.ms`). 30 s by default. */
  readonly requestTimeoutMs?: number;
  /** Most requests in flight (`max.in.flight.requests.per.connection`); further ones wait their turn. 5 by default. */
  readonly maxInFlight?: number;
  /** Size of the largest response. 100 MiB by default. */
  readonly maxResponseBytes?: number;
  /** Pool of large responses, whose records the caller may give back. */
  readonly buffers?: BufferPool;
  /** TLS and SASL; neither by default. */
  readonly security?: Security | undefined;
  /** Node that the peer must be, if it is known when the connection is made; brokers check it from Kafka 4.4 on (KIP-1242). */
  readonly expected?: () => ExpectedNode | undefined;
  /** Hears of requests; nobody by default. */
  readonly observer?: RequestObserver | undefined;
}

/** A node, by the id of its cluster and its own. */
export interface ExpectedNode {
  readonly clusterId: string;
  readonly nodeId: BrokerId;
}

/** Settings of one request. */
export interface CallOptions {
  /** Version of the request. By default the highest that both sides support. */
  readonly version?: number;
  /** Highest version to choose from, as for a feature that the cluster has not enabled. */
  readonly maxVersion?: number;
  /** `requestTimeoutMs` of this request. */
  readonly timeoutMs?: number;
}

export const DEFAULT_SETUP_TIMEOUT_MS = 10_000;
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_IN_FLIGHT = 5;
/** Part of a session's lifetime after which the connection authenticates again (KIP-368), and the part left to chance. */
const [REAUTHENTICATE_AT, REAUTHENTICATE_JITTER] = [0.85, 0.1];
/** Least time between two authentications, in ms: brokers refuse one that comes sooner. */
const MIN_SESSION_MS = 1000;
export const DEFAULT_MAX_RESPONSE_BYTES = 100 * 1024 * 1024;

/** Request from its call until its promise is settled. */
interface Pending {
  readonly api: Api;
  readonly version: number;
  readonly body: object;
  /** Monotonic time in ms at which it times out. */
  readonly deadline: number;
  readonly timeoutMs: number;
  /** Monotonic time in ms of the call. */
  readonly calledAt: number;
  readonly hasReply: boolean;
  /** Undefined until it is sent, or if nobody listens. */
  observed: ObservedRequest | undefined;
  /** Takes the body of the response, or nothing if there is none. Throws `MalformedError`. */
  settle(reader?: ByteReader): void;
  fail(error: unknown): void;
}

/** Request of an API at a version; an urgent one belongs to an authentication. */
interface Asked {
  readonly api: ApiName;
  readonly version: number;
  readonly options: CallOptions;
  readonly isUrgent?: boolean;
}

/** Decodes the body of a response. Throws `MalformedError`. */
export function decodeResponse<N extends ApiName>(api: N, reader: ByteReader, version: number): ResponseOf<N> {
  // The compiler does not relate the schema of a generic name to the type of its values.
  return Apis[api].response.decode(reader, version) as ResponseOf<N>;
}

function bodyOf<N extends ApiName>(request: RequestFor<N>, version: number): object {
  return typeof request === "function" ? request(version) : request;
}

function seconds(ms: number): string {
  return `${Math.round(ms) / 1000} s`;
}

/**
 * Connection to a broker or controller that knows its API versions (`NetworkClient` for one node). Requests are sent in
 * the order of the calls; the peer replies in that order. A request that times out closes the connection, since the
 * replies after it could not be told from the missing one. All failures are `WireError`s.
 */
export class BrokerConnection implements FrameReceiver {
  readonly #env: Env;
  readonly #options: Required<Omit<ConnectionOptions, "buffers" | "security" | "expected" | "observer">>;
  readonly #credentials: SaslCredentials | undefined;
  readonly #expected: ExpectedNode | undefined;
  readonly #reporter: RequestReporter | undefined;
  readonly #channel: FrameChannel;
  readonly #inFlight: InFlightRequests<Pending>;
  /** Requests that wait for room in flight, or for the socket. */
  readonly #waiting: Pending[] = [];
  /** Requests of an authentication, which go before those that wait. */
  readonly #urgent: Pending[] = [];
  /** Other requests wait until the connection is authenticated again. */
  #isAuthenticating = false;
  /** Monotonic time in ms from which on the next request is preceded by an authentication. */
  #reauthenticateAt = Infinity;
  /** The peer has answered a request after the setup. */
  #isProven = false;
  #versions: NodeApiVersions | undefined;
  /** Memory in which requests are encoded. */
  readonly #writer = new GatherWriter();
  /** The socket has bytes that it could not send yet. */
  #isBlocked = false;
  #timer: Timer | undefined;
  /** Time for which the timer is set; Infinity if it is not. */
  #timerAt = Infinity;

  private constructor(env: Env, endpoint: Endpoint, options: ConnectionOptions) {
    this.#env = env;
    const { buffers, security, expected, observer, ...others } = options;
    this.#expected = expected?.();
    this.#credentials = security?.sasl;
    this.#reporter = observer && new RequestReporter(env, endpoint, options.clientId, observer);
    this.#options = {
      setupTimeoutMs: DEFAULT_SETUP_TIMEOUT_MS,
      requestTimeoutMs: DEFAULT_REQUEST_TIMEOUT_MS,
      maxInFlight: DEFAULT_MAX_IN_FLIGHT,
      maxResponseBytes: DEFAULT_MAX_RESPONSE_BYTES,
      ...others,
    };
    const frames = { maxFrameBytes: this.#options.maxResponseBytes, buffers, tls: security?.tls };
    this.#channel = new FrameChannel(endpoint, frames, this);
    this.#inFlight = new InFlightRequests(this.#options.maxInFlight);
  }

  /** Connects, asks for the API versions and authenticates. Rejects with a `WireError`. */
  static async connect(env: Env, endpoint: Endpoint, options: ConnectionOptions): Promise<BrokerConnection> {
    const connection = new BrokerConnection(env, endpoint, options);
    const { setupTimeoutMs } = connection.#options;
    const deadline = env.clock.monotonic() + setupTimeoutMs;
    await connection.#channel.open(env, setupTimeoutMs);
    try {
      connection.#versions = await connection.#negotiate(deadline);
      const credentials = connection.#credentials;
      const left = (): number => Math.max(0, deadline - env.clock.monotonic());
      if (credentials !== undefined) await connection.#authenticate(credentials, left);
    } catch (error) {
      connection.close();
      throw connection.#setupFailure(error);
    }
    return connection;
  }

  get endpoint(): Endpoint {
    return this.#channel.endpoint;
  }

  /** API versions and features of the peer. */
  get versions(): NodeApiVersions {
    invariant(this.#versions !== undefined, "a connection that its owner has knows the versions");
    return this.#versions;
  }

  get isOpen(): boolean {
    return this.#channel.isOpen;
  }

  /** Number of requests that wait for their responses or have not been sent. */
  get pendingRequests(): number {
    return this.#inFlight.size + this.#waiting.length;
  }

  /** Sends a request. Resolves with its response, or rejects with a `WireError`. */
  async call<N extends ApiName>(api: N, request: RequestFor<N>, options: CallOptions = {}): Promise<ResponseOf<N>> {
    const version = this.#versionFor(api, options);
    return this.#ask({ api, version, options }, bodyOf(request, version), reader =>
      decodeResponse(api, reader, version),
    );
  }

  /** Sends a request that has no response: Produce with acks=0. Resolves once the socket has it, sent or not. */
  async tell<N extends ApiName>(api: N, request: RequestFor<N>, options: CallOptions = {}): Promise<void> {
    const version = this.#versionFor(api, options);
    return new Promise((resolve, reject) => {
      this.#enqueue({
        ...this.#pending(Apis[api], version, bodyOf(request, version), options),
        hasReply: false,
        settle: () => resolve(),
        fail: reject,
      });
    });
  }

  /** Closes the connection. Pending requests are rejected with `reason`. */
  close(reason?: WireError): void {
    this.#channel.close(reason);
  }

  onFrame(frame: Uint8Array): void {
    const channel = this.#channel;
    const reader = new ByteReader(frame);
    const correlationId = frame.length < 4 ? undefined : reader.view.getInt32(0);
    const request = correlationId === undefined ? undefined : this.#inFlight.complete(correlationId);
    if (request === undefined) {
      channel.close(this.#unexpected(correlationId));
      return;
    }
    try {
      responseHeader.decode(reader, responseHeaderVersion(request.api.key, request.version));
      request.settle(reader);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      const reason = channel.invalid(`its response to ${request.api.name} cannot be read, ${error.message}`);
      request.fail(reason);
      channel.close(reason);
      return;
    }
    this.#reporter?.answered(request.observed, frame.length);
    this.#isProven ||= this.#versions !== undefined && !this.#isAuthenticating;
    this.#sendWaiting();
  }

  onDrain(): void {
    this.#isBlocked = false;
    this.#sendWaiting();
  }

  onClose(closed: WireError): void {
    this.#timer?.cancel();
    this.#timerAt = Infinity;
    const reason = this.#explained(closed);
    const open = [...this.#inFlight.clear(), ...this.#urgent.splice(0), ...this.#waiting.splice(0)];
    for (const request of open) request.fail(reason);
    this.#reporter?.waiting(0);
  }

  /** Adds the likely reason to a connection that the peer closes before it has answered a request. */
  #explained(reason: WireError): WireError {
    if (reason.code !== "DISCONNECTED" || this.#isProven) return reason;
    if (this.#versions === undefined) {
      const said = `${reason.message}, before it told its API versions; does its port expect TLS, or a certificate?`;
      return new WireError(reason.code, said);
    }
    if (this.#credentials !== undefined || reason.cause !== undefined) return reason;
    const said = `${reason.message}, before it answered a request; does its port expect SASL?`;
    return new WireError(reason.code, said);
  }

  #setupFailure(error: unknown): unknown {
    if (!(error instanceof WireError) || error.code !== "REQUEST_TIMED_OUT") return error;
    const { server } = this.#channel;
    const limit = seconds(this.#options.setupTimeoutMs);
    if (this.#versions !== undefined) {
      return new WireError("SETUP_TIMED_OUT", `${server} did not finish the authentication within ${limit}`);
    }
    const said = `${server} accepted a connection but did not answer ApiVersions`;
    return new WireError("SETUP_TIMED_OUT", `${said} within ${limit}; is it a Kafka broker?`);
  }

  #unexpected(correlationId: number | undefined): WireError {
    if (correlationId === undefined) return this.#channel.invalid("a frame without a correlation id");
    const expected = this.#inFlight.expected();
    const wanted = expected === undefined ? "while no request is in flight" : `instead of ${expected}`;
    return new WireError(
      "CORRELATION_MISMATCH",
      `${this.#channel.server} replied with correlation id ${correlationId} ${wanted}; the connection is closed`,
    );
  }

  /** Version of a request. Throws a `WireError` if the sides have none in common. */
  #versionFor(api: ApiName, { version: pinned, maxVersion = Infinity }: CallOptions): number {
    const { versions } = this;
    const latest = versions.latestUsable(api);
    const version = pinned ?? (latest === undefined ? undefined : Math.min(latest, maxVersion));
    if (version !== undefined && versions.isUsable(api, version)) return version;
    const { first, last } = Apis[api];
    const ours = pinned === undefined ? `versions ${first} to ${last}` : `version ${pinned}`;
    const theirs = versions.describe(api);
    throw new WireError("UNSUPPORTED_VERSION", `${api} needs ${ours}, but ${this.#channel.server} ${theirs}`);
  }

  /** Learns the API versions of the peer, with the fallback of KIP-511. */
  async #negotiate(deadline: number): Promise<NodeApiVersions> {
    const { software } = this.#options;
    const request = { clientSoftwareName: software.name, clientSoftwareVersion: software.version, ...this.#expected };
    for (let version: number = Apis.ApiVersions.lastStable; ; ) {
      const timeoutMs = Math.max(0, deadline - this.#env.clock.monotonic());
      const asked = { api: "ApiVersions", version, options: { timeoutMs } } as const;
      const response = await this.#ask(asked, request, reader => decodeApiVersions(reader, version));
      if (response.errorCode === 0) return new NodeApiVersions(response);
      const lower = fallbackVersion(response, version);
      if (response.errorCode === Errors.REBOOTSTRAP_REQUIRED.code) {
        const wanted = `broker ${this.#expected?.nodeId} of cluster ${this.#expected?.clusterId}`;
        throw new WireError("MISROUTED", `${this.#channel.server} is not ${wanted}`);
      }
      if (lower === undefined) {
        const { name, message } = errorOf(response.errorCode);
        throw new WireError(
          "API_VERSIONS_REFUSED",
          `${this.#channel.server} refuses ApiVersions: ${message} (${name})`,
        );
      }
      version = lower;
    }
  }

  /** Authenticates, with `limit` ms for each step. Other requests wait until it is done. */
  async #authenticate(credentials: SaslCredentials, limit: () => number): Promise<void> {
    const env = this.#env;
    if (this.versions.latestUsable("SaslHandshake") === undefined) throw withoutSasl(this.#channel.server);
    this.#isAuthenticating = true;
    const ask = <N extends "SaslHandshake" | "SaslAuthenticate">(api: N, body: object): Promise<ResponseOf<N>> => {
      const version = this.#versionFor(api, {});
      const asked = { api, version, options: { timeoutMs: limit() }, isUrgent: true };
      return this.#ask(asked, body, reader => decodeResponse(api, reader, version));
    };
    const lifetimeMs = await authenticate({
      ...{ env, credentials, server: this.#channel.server, timeoutMs: limit() },
      handshake: mechanism => ask("SaslHandshake", { mechanism }),
      authenticate: authBytes => ask("SaslAuthenticate", { authBytes }),
    });
    const part = REAUTHENTICATE_AT + REAUTHENTICATE_JITTER * env.random.next();
    const session = lifetimeMs > 0 ? Math.max(MIN_SESSION_MS, lifetimeMs * part) : Infinity;
    this.#reauthenticateAt = env.clock.monotonic() + session;
    this.#isAuthenticating = false;
    this.#sendWaiting();
  }

  /** Authenticates again, behind the requests in flight and before those that wait. */
  #reauthenticate(credentials: SaslCredentials): void {
    this.#authenticate(credentials, () => this.#options.requestTimeoutMs).catch((error: unknown) => {
      const said = `${this.#channel.server} cannot be authenticated with again: ${String(error)}`;
      this.#channel.close(error instanceof WireError ? error : new WireError("AUTHENTICATION_FAILED", said));
    });
  }

  #ask<R>(
    { api, version, options, isUrgent = false }: Asked,
    body: object,
    decode: (reader: ByteReader) => R,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      const pending = {
        ...this.#pending(Apis[api], version, body, options),
        hasReply: true,
        settle: (reader?: ByteReader) => reader !== undefined && resolve(decode(reader)),
        fail: reject,
      };
      this.#enqueue(pending, isUrgent ? this.#urgent : this.#waiting);
    });
  }

  #pending(api: Api, version: number, body: object, options: CallOptions) {
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs;
    const calledAt = this.#env.clock.monotonic();
    return { api, version, body, timeoutMs, calledAt, deadline: calledAt + timeoutMs, observed: undefined };
  }

  #enqueue(request: Pending, queue = this.#waiting): void {
    const { closed } = this.#channel;
    if (closed !== undefined) {
      request.fail(closed);
      return;
    }
    queue.push(request);
    this.#sendWaiting();
    this.#wakeAt(request.deadline);
  }

  /** Sends waiting requests while they may be in flight and the socket takes bytes. */
  #sendWaiting(): void {
    while (this.isOpen && !this.#isBlocked && !this.#inFlight.full) {
      const request = this.#urgent.shift() ?? this.#nextWaiting();
      if (request === undefined) break;
      this.#send(request);
    }
    this.#reporter?.waiting(this.#waiting.length);
  }

  /** Next request that may be sent. Begins an authentication if its time has come. */
  #nextWaiting(): Pending | undefined {
    if (this.#isAuthenticating || this.#waiting.length === 0) return undefined;
    const isDue = this.#reauthenticateAt < Infinity && this.#env.clock.monotonic() >= this.#reauthenticateAt;
    if (!isDue || this.#credentials === undefined) return this.#waiting.shift();
    this.#reauthenticate(this.#credentials);
    return undefined;
  }

  #send(request: Pending): void {
    const { api, version, body, deadline } = request;
    const correlationId = this.#inFlight.nextCorrelationId();
    const head = { key: api.key, version, correlationId, clientId: this.#options.clientId };
    let chunks: Uint8Array[];
    try {
      chunks = requestFrame(head, api.request, body, this.#writer);
    } catch (error) {
      const isUnsupported = error instanceof UnsupportedVersionError;
      request.fail(isUnsupported ? new WireError("UNSUPPORTED_VERSION", error.message) : error);
      return;
    }
    request.observed = this.#reporter?.sent(request, correlationId);
    if (request.hasReply) this.#inFlight.add(correlationId, deadline, request);
    this.#isBlocked = this.#channel.write(chunks) === false;
    if (request.hasReply) return;
    this.#reporter?.answered(request.observed, 0);
    request.settle();
  }

  /** Sets the timer for `deadline` unless it is set for an earlier time. One timer serves all requests. */
  #wakeAt(deadline: number): void {
    if (deadline >= this.#timerAt || !this.isOpen) return;
    this.#timer?.cancel();
    this.#timerAt = deadline;
    const delay = Math.max(0, deadline - this.#env.clock.monotonic());
    const { timers } = this.#env;
    // Replies that arrived while this process was busy are read first.
    this.#timer = timers.after(delay, () => timers.soon(() => this.#expire()));
  }

  #expire(): void {
    this.#timerAt = Infinity;
    const now = this.#env.clock.monotonic();
    const late = this.#inFlight.expired(now) ?? this.#urgent.find(({ deadline }) => deadline <= now);
    if (late !== undefined) {
      this.#reporter?.timedOut(late.observed);
      this.#channel.close(this.#timedOut(late));
      return;
    }
    let next = Math.min(this.#inFlight.nextDeadline(), ...this.#urgent.map(({ deadline }) => deadline));
    for (const request of this.#waiting.splice(0)) {
      // A request that was never sent does not disturb the order of replies.
      if (request.deadline <= now) request.fail(this.#timedOut(request));
      else {
        next = Math.min(next, request.deadline);
        this.#waiting.push(request);
      }
    }
    this.#reporter?.waiting(this.#waiting.length);
    if (next < Infinity) this.#wakeAt(next);
  }

  #timedOut({ api, timeoutMs }: Pending): WireError {
    return new WireError(
      "REQUEST_TIMED_OUT",
      `${this.#channel.server} did not answer ${api.name} within ${seconds(timeoutMs)}`,
    );
  }
}

/** Decodes a response to ApiVersions: a peer that does not support `version` responds in version 0. */
function decodeApiVersions(reader: ByteReader, version: number): ApiVersionsResponse {
  const isRefused =
    reader.remaining() >= 2 && reader.view.getInt16(reader.position) === Errors.UNSUPPORTED_VERSION.code;
  return decodeResponse("ApiVersions", reader, isRefused ? 0 : version);
}
