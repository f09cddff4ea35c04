import {
  type BufferPool,
  ByteReader,
  type Connection,
  type ConnectionHandler,
  type Env,
  MalformedError,
  type Timer,
  type Logger,
} from "@samsa/base";
import {
  ApiKey,
  Errors,
  type FetchRequest,
  FrameSplitter,
  type GatherWriter,
  requestHeaderVersion,
  responseFrame,
  UnsupportedVersionError,
} from "@samsa/protocol";
import type { AnyReply, ApiShape } from "../request/api-row.ts";
import { plainAddress } from "../limits/connection-limits.ts";
import type { HeldBytes } from "../limits/held-bytes.ts";
import type { BrokerMetrics } from "../turn/metrics.ts";
import { microseconds } from "../turn/histogram.ts";
import type { ApiMetrics } from "../turn/request-metrics.ts";
import type { Quotas } from "../quotas/quotas.ts";
import type { ListenerSecurity } from "../security/listener-security.ts";
import type { TlsListener } from "../security/tls-listener.ts";
import { Authentication, type AuthenticationOutcome } from "./authentication.ts";
import {
  type Peer,
  readHead,
  type RequestOrigin,
  type RequestHead,
  UNKNOWN_SOFTWARE,
} from "../request/request-context.ts";
import type { Turn } from "../turn/turn.ts";
import type { RequestBudget } from "./request-budget.ts";
import type { RequestLog } from "./request-log.ts";
import { Slot } from "./slot.ts";

/** Most requests of one connection that may wait for their replies; above it the socket is not read. */
const MAX_IN_FLIGHT = 128;
/** Most bytes of replies that may wait for a slow client; above it its requests wait too. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

/** Time that a client that was refused has to read why and to close the connection, in ms. */
const FAREWELL_MS = 1000;

/** Smaller frames and replies are not counted: their number is limited. */
const COUNTED_BYTES = 32 * 1024;
/** Principal of clients of a listener without authentication. */
const ANONYMOUS = "ANONYMOUS";
/** Longest throttle time that a reply can carry, an int32, in ms. */
const LONGEST_MUTE_MS = 0x7fffffff;

/**
 * APIs whose requests take effect in the order in which they are handled, though their replies wait for records to be
 * committed.
 */
const PIPELINED: readonly number[] = [ApiKey.Produce, ApiKey.OffsetCommit];

/** Use of the client's quotas by a request; undefined: the API does not count against the quota. */
interface Spent {
  readonly now: number;
  readonly spentMs: number | undefined;
  readonly producedBytes: number | undefined;
}

/** Handles the requests of a role: replies once to each, now or later; never throws. */
export interface RequestHandling<Row extends ApiShape> {
  handle(api: Row, request: object, context: RequestOrigin, reply: AnyReply): void;
}

/** Parts of a role that its connections share. */
export interface ConnectionHost<Row extends ApiShape> {
  readonly env: Env;
  readonly turn: Turn;
  readonly log: RequestLog;
  /** Log of what clients cause, a limited number of lines. */
  readonly complaints: Logger;
  readonly metrics: BrokerMetrics;
  readonly quotas: Quotas;
  readonly maxRequestBytes: number;
  readonly buffers: BufferPool;
  /** Memory in which responses are encoded, one after the other. */
  readonly writer: GatherWriter;
  readonly apiOf: (key: number) => Row | undefined;
  readonly requests: RequestHandling<Row>;
  /** Counts bytes of requests in flight over all connections. */
  readonly budget: RequestBudget;
  /** Bytes of frames that have not arrived in full. */
  readonly unfinished: HeldBytes<ClientConnection<Row>>;
  /** Bytes of replies that clients have not taken yet. */
  readonly unsent: HeldBytes<ClientConnection<Row>>;
  closed(connection: ClientConnection<Row>): void;
}

/** Metrics of fetches by who sends them (`RequestMetrics.CONSUMER_FETCH_METRIC_NAME`, `FOLLOW_FETCH_METRIC_NAME`). */
function kindOf({ requests }: BrokerMetrics, { key, name }: ApiShape, request: object): ApiMetrics | undefined {
  if (key !== ApiKey.Fetch) return undefined;
  const { replicaId, replicaState } = request as FetchRequest;
  const isFollower = replicaId >= 0 || replicaState.replicaId >= 0;
  return requests.of(name, isFollower ? "FetchFollower" : "FetchConsumer");
}

/**
 * Connection of one client: reads frames, handles requests in order, sends replies in the same order. A request of a
 * pipelined API may be handled while earlier ones of its kind wait for their replies; any other waits for those before
 * it, as Kafka handles one request of a connection at a time.
 */
export class ClientConnection<Row extends ApiShape> implements ConnectionHandler {
  readonly #host: ConnectionHost<Row>;
  readonly #connection: Connection;
  readonly #listener: string;
  readonly #frames: FrameSplitter;
  readonly #queue: Uint8Array[] = [];
  /** Monotonic times at which the frames of the queue were complete. */
  readonly #arrivals: number[] = [];
  readonly #slots: Slot[] = [];
  /** Responses that the socket may not have taken in full yet. */
  readonly #writes: Slot[] = [];
  #sendScheduled = false;
  #paused = false;
  #closed = false;
  /** Bytes of the current frame that are counted as unfinished. */
  #unfinished = 0;
  /** Monotonic time until which no request is handled, in ms; 0: not muted. */
  #mutedUntil = 0;
  #unmute: Timer | undefined;
  /** Undefined on a listener without SASL. */
  readonly #authentication: Authentication | undefined;
  readonly #failureDelayMs: number;
  /** Name of the user with the certificate of the client; undefined without one, and on a listener with SASL. */
  readonly #certified: string | undefined;
  /** Delay of the answer to a client that is refused, then of the end; from then on nothing else is handled. */
  #refusal: Timer | undefined;
  lastActive: number;
  readonly peer: Peer;

  constructor(host: ConnectionHost<Row>, connection: Connection, listener: string, security?: ListenerSecurity) {
    this.#host = host;
    this.#connection = connection;
    this.#listener = listener;
    const { env, writer, apiOf } = host;
    const { sasl, tls } = security ?? {};
    this.#authentication = sasl && new Authentication({ clock: env.clock, writer, sasl, apiOf });
    this.#failureDelayMs = sasl?.failureDelayMs ?? 0;
    this.#frames = new FrameSplitter(sasl?.maxReceiveBytes ?? host.maxRequestBytes, host.buffers);
    this.lastActive = host.env.clock.monotonic();
    const { remoteHost, remotePort } = connection;
    this.#certified = sasl === undefined && tls !== undefined ? this.#userOf(tls) : undefined;
    this.peer = { host: plainAddress(remoteHost), port: remotePort, software: UNKNOWN_SOFTWARE };
  }

  /** Name of the user with the certificate of the client; closes the connection if no rule gives a name. */
  #userOf(tls: TlsListener): string | undefined {
    const { peerCertificate } = this.#connection;
    if (peerCertificate === undefined) return undefined;
    try {
      return tls.userOf(peerCertificate);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.reject(error.message);
      return undefined;
    }
  }

  /** Requests that wait for their turn. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Responses that the socket has not taken in full, or that wait for those before them. */
  get unsent(): number {
    return this.#writes.length + this.#slots.reduce((count, { done }) => count + Number(done), 0);
  }

  get busy(): boolean {
    return this.#slots.length > 0 || this.#queue.length > 0;
  }

  onData(chunk: Uint8Array): void {
    this.lastActive = this.#host.env.clock.monotonic();
    let ended = false;
    try {
      for (const frame of this.#frames.push(chunk)) {
        ended = true;
        this.#host.budget.take(frame.length);
        this.#queue.push(frame);
        this.#arrivals.push(this.lastActive);
      }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.reject(error.message);
      return;
    }
    this.#countUnfinished(ended);
    this.#handleQueued();
  }

  /** Counts bytes of unfinished frames; above the limit the client whose frame is the oldest is closed. */
  #countUnfinished(ended: boolean): void {
    const { unfinished, env } = this.#host;
    const held = this.#frames.held();
    const counted = held < COUNTED_BYTES ? 0 : held;
    if (counted === this.#unfinished) return;
    const now = env.clock.monotonic();
    // Growth of a frame is no progress: only its end is.
    if (!ended && counted > this.#unfinished) unfinished.add(this, counted - this.#unfinished, now);
    else {
      unfinished.forget(this);
      if (counted > 0) unfinished.add(this, counted, now);
    }
    this.#unfinished = counted;
    while (unfinished.total > unfinished.limit) {
      const oldest = unfinished.stalledBefore(Infinity);
      if (oldest === undefined) return;
      unfinished.forget(oldest);
      oldest.reject("too much memory is held for requests that do not end");
    }
  }

  onDrain(): void {
    this.#settleWrites();
    this.#handleQueued();
  }

  onClose(error?: Error): void {
    this.#closed = true;
    this.#unmute?.cancel();
    this.#refusal?.cancel();
    this.#host.unfinished.forget(this);
    this.#host.unsent.forget(this);
    this.#host.budget.forget(this.#resume);
    for (const frame of this.#queue) this.#host.budget.give(frame.length);
    this.#queue.length = 0;
    this.#arrivals.length = 0;
    for (const slot of this.#slots) slot.end();
    this.#slots.length = 0;
    this.#settleWrites();
    if (error !== undefined) this.#host.complaints.debug("connection lost", { ...this.#who(), reason: error.message });
    this.#host.closed(this);
  }

  /** Closes the connection once queued replies have been sent. */
  end(): void {
    this.#flush();
    this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  readonly #resume = (): void => this.#handleQueued();

  #who(): Record<string, unknown> {
    return { client: `${this.#connection.remoteHost}:${this.#connection.remotePort}`, listener: this.#listener };
  }

  /** Logs one line and closes the connection, for bad input that has no reply. */
  reject(reason: string): void {
    if (this.#closed) return;
    this.#host.complaints.warn("closing a connection over bad input", { ...this.#who(), reason });
    this.#connection.destroy();
  }

  #mayHandle(): boolean {
    return (
      !this.#closed &&
      this.#refusal === undefined &&
      this.#mutedUntil === 0 &&
      this.#slots.length < MAX_IN_FLIGHT &&
      this.#connection.pendingBytes() < MAX_UNSENT_BYTES
    );
  }

  #handleQueued(): void {
    let handled = 0;
    while (handled < this.#queue.length && this.#mayHandle()) {
      const frame = this.#queue[handled] as Uint8Array;
      if (!this.#turnOf(frame)) break;
      const arrived = this.#arrivals[handled] as number;
      handled++;
      this.#handle(frame, arrived);
    }
    if (this.#closed) return;
    if (handled > 0) {
      this.#queue.splice(0, handled);
      this.#arrivals.splice(0, handled);
    }
    this.#throttle();
  }

  /** True if a request may be handled while earlier ones wait for their replies. */
  #turnOf(frame: Uint8Array): boolean {
    const [first] = this.#slots;
    if (first === undefined) return true;
    return PIPELINED.includes(first.key) && frame.length >= 2 && frame[0] === 0 && frame[1] === first.key;
  }

  /** Stops reading the socket while requests cannot be handled. */
  #throttle(): void {
    const { budget } = this.#host;
    const isFull = budget.full && this.peer.isBroker !== true;
    const wants = this.#queue.length > 0 || isFull || this.#mutedUntil > 0;
    if (wants && !this.#paused) {
      this.#paused = true;
      this.#connection.pause();
    } else if (!wants && this.#paused) {
      this.#paused = false;
      this.#connection.resume();
    }
    if (isFull) budget.whenFree(this.#resume);
  }

  #handle(frame: Uint8Array, arrived: number): void {
    const authentication = this.#authentication;
    if (authentication?.wants(frame) === true) return this.#authenticate(authentication, frame);
    if (authentication?.isExpired === true) {
      this.#host.budget.give(frame.length);
      return this.reject("its session has ended");
    }
    this.#request(frame, arrived);
  }

  /** Has a frame of an authentication handled. */
  #authenticate(authentication: Authentication, frame: Uint8Array): void {
    const slot = new Slot(this.#host.budget, frame.length, ApiKey.SaslAuthenticate);
    this.#slots.push(slot);
    const outcome = authentication.handle(frame);
    if (!(outcome instanceof Promise)) return this.#authenticated(authentication, { frame, slot }, outcome);
    outcome
      .then(later => {
        if (!this.#closed) this.#authenticated(authentication, { frame, slot }, later);
      })
      .catch((error: unknown) => {
        this.#host.env.logger.error("a client could not be authenticated", { ...this.#who(), error });
        this.#connection.destroy();
      });
  }

  #authenticated(
    authentication: Authentication,
    { frame, slot }: { readonly frame: Uint8Array; readonly slot: Slot },
    outcome: AuthenticationOutcome,
  ): void {
    if (outcome.type === "pass") {
      this.#slots.pop();
      return this.#request(frame, this.lastActive);
    }
    if (outcome.type === "reply") {
      if (authentication.identity !== undefined) this.#frames.limit = this.#host.maxRequestBytes;
      return this.#reply(slot, outcome.chunks);
    }
    if (outcome.type === "close") this.reject(outcome.reason);
    else this.#refuse(slot, outcome);
  }

  /** Answers a client that is not who it says, after a while, and later closes the connection. */
  #refuse(slot: Slot, { chunks, reason }: Extract<AuthenticationOutcome, { type: "refuse" }>): void {
    const { complaints, env } = this.#host;
    complaints.info("a client could not be authenticated", { ...this.#who(), reason });
    this.#refusal = env.timers.after(this.#failureDelayMs, () => {
      this.#reply(slot, chunks);
      if (chunks === undefined) return this.end();
      this.#flush();
      // A client that is slow to read, and finds the end at once after the refusal, may drop what it has read before the
      // end, as kafka-python does. Those that have read it close the connection themselves.
      this.#refusal = env.timers.after(FAREWELL_MS, () => this.end());
    });
  }

  #request(frame: Uint8Array, arrived: number): void {
    const reader = new ByteReader(frame);
    let head: RequestHead;
    try {
      head = readHead(reader, requestHeaderVersion);
    } catch (error) {
      this.#host.budget.give(frame.length);
      if (!(error instanceof MalformedError)) throw error;
      this.reject(error.message);
      return;
    }
    const api = this.#host.apiOf(head.key);
    const slot = new Slot(this.#host.budget, frame.length, head.key);
    this.#slots.push(slot);
    const tooNew = api !== undefined && (head.version < api.first || head.version > api.last);
    if (head.key === ApiKey.ApiVersions && api !== undefined && tooNew) {
      // A client that is newer than the broker gets a response of version 0 with the supported versions (KIP-511).
      const failure = api.failure({}, { ...Errors.UNSUPPORTED_VERSION, detail: null }, 0);
      this.#reply(
        slot,
        failure === null ? undefined : responseFrame({ ...head, version: 0 }, api.response, failure, this.#host.writer),
      );
      return;
    }
    if (api === undefined || tooNew) {
      this.reject(`API ${head.key} version ${head.version} is not served`);
      return;
    }
    this.#dispatch(api, head, reader, { slot, arrived });
  }

  #dispatch(
    api: Row,
    head: RequestHead,
    reader: ByteReader,
    { slot, arrived }: { readonly slot: Slot; readonly arrived: number },
  ): void {
    const identity = this.#authentication?.identity;
    const { byToken = false } = identity ?? {};
    // Whoever is unknown, or may be overheard, gets no tokens (`allowTokenRequests`).
    const isSecure = identity !== undefined || this.#certified !== undefined;
    const context: RequestOrigin = {
      version: head.version,
      user: identity?.user ?? this.#certified ?? ANONYMOUS,
      byToken,
      allowsTokens: isSecure && !byToken,
      clientId: head.clientId,
      listener: this.#listener,
      peer: this.peer,
      memory: slot,
      close: reason => this.reject(reason),
    };
    const { env, log, metrics, requests } = this.#host;
    let request: object;
    try {
      request = api.request.decode(reader, head.version);
    } catch (error) {
      if (!(error instanceof MalformedError || error instanceof UnsupportedVersionError)) throw error;
      this.reject(`${api.name} version ${head.version}: ${error.message}`);
      return;
    }
    const began = env.clock.monotonic();
    slot.count(metrics.requests.of(api.name), kindOf(metrics, api, request), head.version, began - arrived);
    let spent: number | undefined;
    requests.handle(api, request, context, (response, sent) => {
      try {
        const now = env.clock.monotonic();
        const localMs = spent ?? now - began;
        slot.answered(response, now, localMs, now - began - localMs);
        log.answered(api.name, head, context, slot);
        slot.sent = sent;
        const isExempt = api.throttle === "exempt" || this.peer.isBroker === true;
        const spentMs = isExempt ? undefined : (spent ?? now - began);
        const producedBytes = api.throttle === "produce" ? slot.bytes : undefined;
        slot.throttleUs = microseconds(this.#holdBack(context, response, { now, spentMs, producedBytes }));
        const isMute = response === null || this.#closed;
        this.#reply(slot, isMute ? undefined : this.#encode(api, head, request, response));
      } catch (error) {
        // The caller may have other clients to answer: do not let it see the error.
        this.#broken(api, head, error);
      }
    });
    spent = env.clock.monotonic() - began;
    if (!api.transient) return;
    this.#host.buffers.give(reader.bytes);
    slot.free();
  }

  /** Logs a bug of a handler and closes this connection; others are not affected. */
  #broken(api: Row, head: RequestHead, error: unknown): void {
    this.#host.env.logger.error("request failed", { api: api.name, version: head.version, error });
    this.#connection.destroy();
  }

  /** Applies quotas: the response carries the throttle time, which is returned, and requests wait that long (KIP-219). */
  #holdBack(
    client: RequestOrigin,
    response: { throttleTimeMs?: unknown } | null,
    { now, spentMs, producedBytes }: Spent,
  ): number {
    const { quotas, metrics } = this.#host;
    const told = response?.throttleTimeMs;
    let ms = typeof told === "number" ? told : 0;
    if (spentMs !== undefined) {
      const wait = quotas.record("request_percentage", client, spentMs / 10, now);
      if (wait > 0) metrics.throttles.add("request", client, wait, now);
      ms = Math.max(ms, wait);
    }
    if (producedBytes !== undefined) {
      const wait = quotas.record("producer_byte_rate", client, producedBytes, now);
      if (wait > 0) metrics.throttles.add("produce", client, wait, now);
      ms = Math.max(ms, wait);
    }
    if (ms <= 0) return 0;
    ms = Math.min(ms, LONGEST_MUTE_MS);
    if (typeof told === "number") (response as { throttleTimeMs: number }).throttleTimeMs = ms;
    this.mute(ms);
    return ms;
  }

  /** Handles no requests of the client for `ms`. */
  mute(ms: number): void {
    const { env } = this.#host;
    const until = env.clock.monotonic() + ms;
    if (until <= this.#mutedUntil) return;
    this.#mutedUntil = until;
    this.#unmute?.cancel();
    this.#unmute = env.timers.after(ms, () => {
      this.#mutedUntil = 0;
      this.#handleQueued();
    });
    this.#throttle();
  }

  /**
   * Encodes a response. A response that its format cannot hold, such as a message that repeats a very long name, becomes
   * the response to a failed request, as in Kafka. Throws if that cannot be encoded either.
   */
  #encode(api: Row, head: RequestHead, request: object, response: object): readonly Uint8Array[] | undefined {
    try {
      return responseFrame(head, api.response, response, this.#host.writer);
    } catch (error) {
      const { logger } = this.#host.env;
      const where = { api: api.name, version: head.version };
      if (error instanceof UnsupportedVersionError)
        logger.warn("a reply is too long", { ...where, why: error.message });
      else logger.error("a reply could not be encoded", { ...where, error });
      const failure = api.failure(request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, head.version);
      return failure === null ? undefined : responseFrame(head, api.response, failure, this.#host.writer);
    }
  }

  #reply(slot: Slot, chunks: readonly Uint8Array[] | undefined): void {
    if (this.#closed || slot.done) return;
    slot.done = true;
    slot.end();
    slot.chunks = chunks;
    this.#countUnsent(slot);
    if (this.#sendScheduled) return;
    this.#sendScheduled = true;
    this.#host.turn.add("send", this.#send);
  }

  readonly #send = (): void => {
    this.#sendScheduled = false;
    if (this.#closed) return;
    this.#flush();
    if (this.#queue.length > 0 || this.#paused) this.#handleQueued();
  };

  #flush(): void {
    const chunks: Uint8Array[] = [];
    const sent: (() => void)[] = [];
    let count = 0;
    for (; count < this.#slots.length; count++) {
      const slot = this.#slots[count] as Slot;
      if (!slot.done) break;
      for (const chunk of slot.chunks ?? []) chunks.push(chunk);
      if (slot.sent !== undefined) sent.push(slot.sent);
    }
    if (count === 0) return;
    const written = this.#slots.splice(0, count);
    const now = this.#host.env.clock.monotonic();
    for (const slot of written) {
      slot.written(now);
      this.#writes.push(slot);
    }
    if (chunks.length > 0) {
      if (sent.length === 0) this.#connection.write(chunks);
      else this.#connection.write(chunks, () => sent.forEach(done => done()));
    }
    this.#settleWrites();
  }

  /** Counts the requests whose responses the socket has taken in full; all of them once the connection has ended. */
  #settleWrites(): void {
    if (this.#writes.length === 0 || (!this.#closed && this.#connection.pendingBytes() > 0)) return;
    const now = this.#host.env.clock.monotonic();
    for (const slot of this.#writes) slot.settled(now);
    this.#writes.length = 0;
  }

  /** Counts a reply as soon as it exists: many may be encoded before the first is written. */
  #countUnsent(slot: Slot): void {
    let bytes = 0;
    for (const chunk of slot.chunks ?? []) bytes += chunk.length;
    // The next fetch of a broker waits for this reply, so it holds back no more than one.
    if (bytes < COUNTED_BYTES || this.peer.isBroker === true) return;
    const { unsent, env } = this.#host;
    const { sent } = slot;
    unsent.add(this, bytes, env.clock.monotonic());
    slot.sent = () => {
      unsent.give(this, bytes, env.clock.monotonic());
      sent?.();
    };
  }
}
