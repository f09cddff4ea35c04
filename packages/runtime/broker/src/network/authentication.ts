import { ByteReader, type Clock, invariant, MalformedError } from "@samsa/base";
import {
  ApiKey,
  apiOf,
  Apis,
  Errors,
  type GatherWriter,
  requestHeaderVersion,
  responseFrame,
  UnsupportedVersionError,
} from "@samsa/protocol";
import { type Identity, SaslRefusal, type SaslServer, type SaslServerStep } from "@samsa/sasl";
import type { SaslListener } from "../security/listener-security.ts";
import type { ApiShape } from "../request/api-row.ts";
import { readHead, type RequestHead } from "../request/request-context.ts";

type Chunks = readonly Uint8Array[];

/** Outcome of a frame for its connection. */
export type AuthenticationOutcome =
  /** Send the response, and go on. */
  | { readonly type: "reply"; readonly chunks: Chunks }
  /** Handle the request as any other: it is one that needs no authentication. */
  | { readonly type: "pass" }
  /** Send the response, if there is one, after a while, and close the connection. */
  | { readonly type: "refuse"; readonly chunks: Chunks | undefined; readonly reason: string }
  /** Close the connection: the frame is no request. */
  | { readonly type: "close"; readonly reason: string };

type State = "initial" | "handshake or versions" | "handshake" | "tokens" | "raw tokens" | "wrong mechanism" | "done";

/** Authentication that succeeded, and that a client may repeat (KIP-368). */
interface Session {
  readonly mechanism: string;
  readonly identity: Identity;
  /** Monotonic time at which the session ends, in ms; Infinity: never. */
  readonly expiresAt: number;
}

/** Means of the authentication of one client. */
export interface AuthenticationHost {
  readonly clock: Clock;
  readonly writer: GatherWriter;
  readonly sasl: SaslListener;
  /** API that the listener serves. */
  readonly apiOf: (key: number) => ApiShape | undefined;
}

const { SaslHandshake, SaslAuthenticate } = Apis;
/** First version of SaslHandshake whose tokens travel in SaslAuthenticate requests. */
const WRAPPED_VERSION = 1;
const EMPTY = new Uint8Array(0);
/** Shortest time between the beginnings of two re-authentications of a connection, in ms (`KafkaChannel`). */
const AGAIN_MS = 1000;

type Waiting = Extract<SaslServerStep, { type: "find" | "verify" }>;

const isWaiting = (step: SaslServerStep | AuthenticationOutcome): step is Waiting =>
  step.type === "find" || step.type === "verify";

class OutOfTurn extends Error {}

/**
 * SASL on one connection, from its first frame to a session, and again before the session ends
 * (`SaslServerAuthenticator`).
 */
export class Authentication {
  readonly #host: AuthenticationHost;
  #state: State = "initial";
  #server: SaslServer | undefined;
  #mechanism = "";
  #session: Session | undefined;
  /** Monotonic time at which the last re-authentication began, in ms. */
  #againAt = -Infinity;

  constructor(host: AuthenticationHost) {
    this.#host = host;
  }

  /** The client; undefined while it has not proven who it is. */
  get identity(): Identity | undefined {
    return this.#state === "done" ? this.#session?.identity : undefined;
  }

  /** True if the session has ended: the next request but a handshake closes the connection. */
  get isExpired(): boolean {
    const { expiresAt = Infinity } = this.#session ?? {};
    return this.#state === "done" && this.#host.clock.monotonic() >= expiresAt;
  }

  /** True if the frame is to be handled here: the client is not authenticated, or begins to be once more. */
  wants(frame: Uint8Array): boolean {
    if (this.#state !== "done") return true;
    const key = frame.length < 2 ? -1 : ((frame[0] ?? 0) << 8) | (frame[1] ?? 0);
    const { expiresAt = Infinity } = this.#session ?? {};
    if (key !== SaslHandshake.key || expiresAt === Infinity) return false;
    return this.#host.clock.monotonic() - this.#againAt >= AGAIN_MS;
  }

  /** Handles a frame that it wants. Wait for the outcome before the next frame. */
  handle(frame: Uint8Array): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    if (this.#state === "done") {
      this.#state = "handshake";
      this.#againAt = this.#host.clock.monotonic();
    }
    try {
      if (this.#state === "raw tokens") return this.#take(frame, undefined);
      const reader = new ByteReader(frame);
      const head = readHead(reader, requestHeaderVersion);
      return this.#state === "tokens" ? this.#token(head, reader) : this.#request(head, reader);
    } catch (error) {
      return this.#failure(error);
    }
  }

  get #isAgain(): boolean {
    return this.#session !== undefined;
  }

  get #what(): string {
    return this.#isAgain ? "re-authentication" : "authentication";
  }

  #request(head: RequestHead, reader: ByteReader): AuthenticationOutcome {
    const state = this.#state;
    if (head.key === ApiKey.ApiVersions && (state === "initial" || state === "handshake or versions")) {
      const { first, lastStable } = Apis.ApiVersions;
      // A client that is newer than the broker asks again.
      this.#state = head.version >= first && head.version <= lastStable ? "handshake" : "handshake or versions";
      return { type: "pass" };
    }
    if (head.key !== SaslHandshake.key) {
      const name = nameOf(head.key);
      throw new OutOfTurn(
        state === "initial"
          ? "the first request is none of SASL: the client may use another security protocol, or be no client of Kafka"
          : `Unexpected Kafka request of type ${name} during SASL handshake.`,
      );
    }
    if (head.version < SaslHandshake.first || head.version > SaslHandshake.lastStable) {
      throw new OutOfTurn(`SaslHandshake version ${head.version} is not served`);
    }
    return this.#handshake(head, SaslHandshake.request.decode(reader, head.version).mechanism);
  }

  #handshake(head: RequestHead, mechanism: string): AuthenticationOutcome {
    const { sasl } = this.#host;
    const mechanisms = [...sasl.mechanisms];
    const answer = (errorCode: number): Chunks =>
      responseFrame(head, SaslHandshake.response, { errorCode, mechanisms }, this.#host.writer);
    const server = mechanisms.includes(mechanism) ? sasl.serverOf(mechanism) : undefined;
    if (server === undefined) {
      const chunks = answer(Errors.UNSUPPORTED_SASL_MECHANISM.code);
      return { type: "refuse", chunks, reason: `Unsupported SASL mechanism ${mechanism}` };
    }
    const { mechanism: before = mechanism } = this.#session ?? {};
    this.#mechanism = mechanism;
    this.#server = server;
    this.#state = head.version >= WRAPPED_VERSION ? "tokens" : "raw tokens";
    if (before !== mechanism) this.#state = "wrong mechanism";
    return { type: "reply", chunks: answer(0) };
  }

  #token(head: RequestHead, reader: ByteReader): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    const { key, version } = head;
    if (key !== SaslAuthenticate.key) return this.#unexpected(head, reader);
    if (version < SaslAuthenticate.first || version > SaslAuthenticate.lastStable) {
      throw new OutOfTurn(`Version ${version} is not supported for apiKey SASL_AUTHENTICATE`);
    }
    return this.#take(SaslAuthenticate.request.decode(reader, version).authBytes, head);
  }

  /** Refuses a request in place of a token, in the form of its own API. */
  #unexpected(head: RequestHead, reader: ByteReader): AuthenticationOutcome {
    const api = this.#host.apiOf(head.key);
    const reason = `Unexpected Kafka request of type ${nameOf(head.key)} during SASL authentication.`;
    if (api === undefined || head.version < api.first || head.version > api.last) throw new OutOfTurn(reason);
    const request = api.request.decode(reader, head.version);
    const failure = api.failure(request, { ...Errors.ILLEGAL_SASL_STATE, detail: reason }, head.version);
    const chunks = failure === null ? undefined : responseFrame(head, api.response, failure, this.#host.writer);
    return { type: "refuse", chunks, reason };
  }

  /**
   * Takes a message of the client. `head` is that of a SaslAuthenticate request; undefined: messages are frames of their
   * own.
   */
  #take(bytes: Uint8Array, head: RequestHead | undefined): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    const server = this.#server;
    if (server === undefined) throw new OutOfTurn("a token without a handshake");
    // The memory of the frame is reused.
    const received = this.#carriedOut(() => server.received(bytes.slice()), head);
    return isWaiting(received) ? this.#waited(received, head) : received;
  }

  /** Carries out a step that needs time, and the one after it. */
  async #waited(step: Waiting, head: RequestHead | undefined): Promise<AuthenticationOutcome> {
    const { sasl } = this.#host;
    let next: () => SaslServerStep;
    if (step.type === "verify") {
      const outcome = await sasl.verify(step.token);
      next = () => step.verified(outcome);
    } else {
      const credential = await sasl.tokenCredential(this.#mechanism, step.tokenId);
      next = () => step.found(credential);
    }
    const then = this.#carriedOut(next, head);
    invariant(!isWaiting(then), "a client waits once for each of its messages");
    return then;
  }

  /** Carries out a step, unless it needs time. */
  #carriedOut(next: () => SaslServerStep, head: RequestHead | undefined): AuthenticationOutcome | Waiting {
    try {
      const step = next();
      return isWaiting(step) ? step : this.#answer(step, head);
    } catch (error) {
      if (!(error instanceof SaslRefusal)) throw error;
      return head === undefined
        ? { type: "refuse", chunks: undefined, reason: error.message }
        : this.#refused(head, error);
    }
  }

  #answer(step: Exclude<SaslServerStep, Waiting>, head: RequestHead | undefined): AuthenticationOutcome {
    let sessionLifetimeMs = 0;
    if (step.type === "done") {
      const changed = this.#changed(step.identity);
      if (changed !== undefined && head !== undefined) return this.#refused(head, new SaslRefusal(changed, changed));
      if (changed !== undefined) return { type: "close", reason: changed };
      sessionLifetimeMs = this.#begin(step.identity);
    }
    const { bytes } = step;
    if (head === undefined) return { type: "reply", chunks: [sized(bytes)] };
    const body = { errorCode: 0, errorMessage: null, authBytes: bytes, sessionLifetimeMs };
    return { type: "reply", chunks: responseFrame(head, SaslAuthenticate.response, body, this.#host.writer) };
  }

  /** Says that the client is another one than before; undefined: it is not. */
  #changed({ user }: Identity): string | undefined {
    const { user: before = user } = this.#session?.identity ?? {};
    if (before === user) return undefined;
    return `Cannot change principals during re-authentication from User.${before}: User.${user}`;
  }

  /** Begins a session; returns its length in ms, 0 if it does not end. */
  #begin(identity: Identity): number {
    const { clock, sasl } = this.#host;
    const maxMs = sasl.maxReauthMs(this.#mechanism);
    const restMs = identity.expiresAt === undefined ? Infinity : Math.floor(identity.expiresAt - clock.now());
    const lifetimeMs = Math.max(0, Math.min(maxMs > 0 ? maxMs : Infinity, restMs));
    this.#session = { mechanism: this.#mechanism, identity, expiresAt: clock.monotonic() + lifetimeMs };
    this.#server = undefined;
    this.#state = "done";
    return lifetimeMs === Infinity ? 0 : Math.min(lifetimeMs, Number.MAX_SAFE_INTEGER);
  }

  #refused(head: RequestHead, { message, told }: SaslRefusal): AuthenticationOutcome {
    const mechanism = this.#mechanism;
    const errorMessage =
      told ?? `Authentication failed during ${this.#what} due to invalid credentials with SASL mechanism ${mechanism}`;
    const body = {
      errorCode: Errors.SASL_AUTHENTICATION_FAILED.code,
      errorMessage,
      authBytes: EMPTY,
      sessionLifetimeMs: 0,
    };
    const chunks = responseFrame(head, SaslAuthenticate.response, body, this.#host.writer);
    return { type: "refuse", chunks, reason: message };
  }

  #failure(error: unknown): AuthenticationOutcome {
    const isInput = [OutOfTurn, MalformedError, UnsupportedVersionError].some(kind => error instanceof kind);
    if (!isInput) throw error;
    return { type: "close", reason: (error as Error).message };
  }
}

/** Name of an API in Kafka's messages (`ApiKeys`). */
function nameOf(key: number): string {
  const { name = String(key) } = apiOf(key) ?? {};
  return name.replace(/[a-z](?=[A-Z])/g, "$&_").toUpperCase();
}

/** Token as a frame of its own. */
function sized(bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + bytes.length);
  new DataView(frame.buffer).setInt32(0, bytes.length);
  frame.set(bytes, 4);
  return frame;
}
