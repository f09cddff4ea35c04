import { ignored, joined, type Logger, MalformedError } from "@samsa/base";
import {
  Apis,
  type BrokerHeartbeatRequest,
  type EnvelopeRequest,
  Errors,
  responseFrame,
  UnsupportedVersionError,
} from "@samsa/protocol";
import { type AnyReply, apiRow, CLUSTER_ACTION } from "../request/api-row.ts";
import { authorized } from "../request/authorization.ts";
import type { RequestOrigin } from "../request/request-context.ts";
import type { BrokerWatch } from "./broker-watch.ts";
import { CONTROLLER_APIS } from "./controller-apis.ts";
import { isElsewhere } from "./controller-channel.ts";
import { type ControllerParts, type ControllerRow, mutationQuota } from "./controller-row.ts";
import { type OpenedEnvelope, openEnvelope } from "./envelope.ts";

/** Bytes of the size prefix of a frame, which an Envelope lacks. */
const SIZE_BYTES = 4;

/** Row whose requests `ControllerRequests` answers itself. */
const ENVELOPE: ControllerRow = apiRow("Envelope", ignored("`ControllerRequests` opens envelopes"), CLUSTER_ACTION);

/** APIs on a listener of controllers, by key. */
export const LISTENER_APIS: ReadonlyMap<number, ControllerRow> = new Map([
  ...CONTROLLER_APIS,
  [ENVELOPE.key, ENVELOPE],
]);

interface Call {
  readonly row: ControllerRow;
  readonly request: object;
  readonly context: RequestOrigin;
}

/** Handles requests that arrive on a listener of controllers, in an Envelope or not (`ControllerApis.handle`). */
export class ControllerRequests {
  readonly #parts: ControllerParts;
  readonly #logger: Logger;
  readonly #watch: BrokerWatch;

  constructor(parts: ControllerParts, watch: BrokerWatch) {
    this.#parts = parts;
    this.#watch = watch;
    this.#logger = parts.env.logger;
  }

  /** Replies once, now or later; never throws. */
  handle(row: ControllerRow, request: object, context: RequestOrigin, reply: AnyReply): void {
    const { authorizer } = this.#parts;
    const { version, listener, user, clientId, peer, allowsTokens } = context;
    const close = (reason: string): void => context.close(reason);
    const asked = { request, version, client: { user, host: peer.host }, close, reply };
    authorized({ authorizer, logger: this.#logger }, row, asked, (permitted, access, answer) => {
      if (row === ENVELOPE) return this.#open(permitted as EnvelopeRequest, context, answer);
      if (row.key === Apis.BrokerHeartbeat.key) this.#watch.heard(peer, permitted as BrokerHeartbeatRequest);
      const quota = mutationQuota(this.#parts, row, { user, clientId, version });
      row.handle(this.#parts, permitted, { version, listener, quota, user, access, allowsTokens, close }, answer);
    });
  }

  /** Handles the request in an Envelope on behalf of its client. */
  #open(envelope: EnvelopeRequest, context: RequestOrigin, reply: AnyReply): void {
    const refuse = ({ code }: { readonly code: number }): void => reply({ responseData: null, errorCode: code });
    let opened: OpenedEnvelope;
    let call: Call;
    try {
      opened = openEnvelope(envelope);
      const { key, version } = opened.head;
      const row = CONTROLLER_APIS.get(key);
      if (row?.isForwardable !== true) return refuse(Errors.INVALID_REQUEST);
      if (version < row.first || version > row.last) return refuse(Errors.UNSUPPORTED_VERSION);
      const { user, byToken, host, head } = opened;
      const peer = { ...context.peer, host };
      const close = (reason: string): void => {
        this.#logger.warn("the request in an envelope cannot be read", { reason });
        refuse(Errors.INVALID_REQUEST);
      };
      const { clientId } = head;
      const allowsTokens = context.allowsTokens && !byToken;
      // Whoever may pretend to be a broker could name any user: such a listener makes no tokens, as in Kafka.
      const inner = { ...context, version, user, byToken, allowsTokens, clientId, peer, close };
      call = { row, request: row.request.decode(opened.body, version), context: inner };
    } catch (error) {
      if (!(error instanceof MalformedError || error instanceof UnsupportedVersionError)) throw error;
      this.#logger.warn("an envelope cannot be read", { reason: error.message });
      return refuse(Errors.INVALID_REQUEST);
    }
    const { head } = opened;
    this.handle(call.row, call.request, call.context, response => {
      // The broker sends the request to the next active controller. Kafka's brokers look for it at no other error: they
      // would ask this node for the state of the quorum again and again, which only its leader knows.
      if (response === null || isElsewhere(call.row.name, response)) return refuse(Errors.NOT_CONTROLLER);
      reply({ responseData: this.#sealed(call, head, response), errorCode: 0 });
    });
  }

  #sealed({ row, request }: Call, head: OpenedEnvelope["head"], response: object): Uint8Array {
    const frame = (body: object): Uint8Array => joined(responseFrame(head, row.response, body)).subarray(SIZE_BYTES);
    try {
      return frame(response);
    } catch (error) {
      this.#logger.error("a reply could not be encoded", { api: row.name, error });
      return frame(row.failure(request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, head.version) ?? {});
    }
  }
}
