import { type BrokerId, type Env, MalformedError } from "@samsa/base";
import { Apis, Errors } from "@samsa/protocol";
import { BrokerLink, type Introduction, WireError } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import { setupTimes } from "../config/server-configs.ts";
import { errorResponses } from "../request/error-responses.ts";
import {
  type ControllerApi,
  type ControllerChannel,
  type ControllerClient,
  type ControllerRequest,
  type ControllerResponse,
  controllerResponse,
  isElsewhere,
} from "./controller-channel.ts";
import { openResponse, sealEnvelope } from "./envelope.ts";

/** Node with the active controller, as far as this node knows. */
export interface ControllerNode {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
}

interface Host {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly config: BrokerConfig;
  /** Client id of the connection, for the controller's log. */
  readonly clientId: string;
  readonly introduction: Introduction;
  /** Returns the active controller's node; undefined: unknown. */
  readonly active: () => ControllerNode | undefined;
  /** Controller of this node; undefined: it has none. */
  readonly local: ControllerChannel | undefined;
  /** Time after which a request is given up, in ms. Infinity: never. */
  readonly retryTimeoutMs: number;
}

/**
 * Shortest and longest pause before a request is sent again, in ms. A node that starts asks before it has elected itself,
 * and need not wait long.
 */
const FIRST_RETRY_MS = 2;
const RETRY_MS = 50;

/**
 * Way from a node to the active controller, in this process or on another node. It sends a request again after a failure
 * of the connection, and whenever another controller has become active (`NodeToControllerChannelManagerImpl`,
 * `ForwardingManagerImpl`).
 */
export class NodeToControllerChannel implements ControllerChannel {
  readonly #host: Host;
  /** Connection to the node that was active last. */
  #link: { readonly node: ControllerNode; readonly link: BrokerLink } | undefined;
  #correlationId = 0;
  #isClosed = false;

  constructor(host: Host) {
    this.#host = host;
  }

  async call<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client?: ControllerClient,
  ): Promise<ControllerResponse<N>> {
    const { clock } = this.#host.env;
    const deadline = clock.monotonic() + this.#host.retryTimeoutMs;
    for (let pauseMs = FIRST_RETRY_MS; !this.#isClosed; pauseMs = Math.min(RETRY_MS, pauseMs * 2)) {
      const response = await this.#attempt(api, request, client, deadline);
      if (response !== undefined) return response;
      if (clock.monotonic() + pauseMs >= deadline) break;
      await this.#pause(pauseMs);
    }
    return this.#failure(api, request, Errors.REQUEST_TIMED_OUT, client?.version);
  }

  #failure<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    error: { readonly code: number; readonly message: string | null },
    version: number = Apis[api].lastStable,
  ): ControllerResponse<N> {
    // The failure is one of this API: its builder has the API's name.
    const build = errorResponses[api] as unknown as (asked: object, error: object, version: number) => object | null;
    return controllerResponse(api, build(request, { ...error, detail: null }, version) ?? {});
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.#host.env.timers.after(ms, resolve);
    });
  }

  /** Sends the request once. Undefined: send it again later. */
  async #attempt<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client: ControllerClient | undefined,
    deadline: number,
  ): Promise<ControllerResponse<N> | undefined> {
    const { active, nodeId, local, env } = this.#host;
    const node = active();
    if (node === undefined) return undefined;
    if (node.id === nodeId) {
      const response = await local?.call(api, request, client);
      return response !== undefined && isElsewhere(api, response) ? undefined : response;
    }
    try {
      const link = this.#linkTo(node);
      const limit = this.#host.config["controller.socket.timeout.ms"];
      const timeoutMs = Math.max(1, Math.min(limit, deadline - env.clock.monotonic()));
      if (client !== undefined) return await this.#forward(link, { api, request, client, timeoutMs });
      const response = (await link.call(api, request as never, { timeoutMs })) as ControllerResponse<N>;
      if (!isElsewhere(api, response as object)) return response;
    } catch (error) {
      if (!(error instanceof WireError || error instanceof MalformedError)) throw error;
      env.logger.debug("the controller did not answer", { api, controller: node.id, error: error.message });
    }
    this.#link?.link.disconnect();
    return undefined;
  }

  #linkTo(node: ControllerNode): BrokerLink {
    const known = this.#link;
    if (known !== undefined && known.node.host === node.host && known.node.port === node.port) return known.link;
    known?.link.disconnect();
    const { env, clientId, introduction, config, retryTimeoutMs } = this.#host;
    const requestTimeoutMs = config["controller.socket.timeout.ms"];
    // A node that drops packets must not hold up a request, or the next controller, for longer than a request may take.
    const times = { requestTimeoutMs, ...setupTimes(config, Math.min(requestTimeoutMs, retryTimeoutMs)) };
    const link = new BrokerLink(env, node, { clientId, ...introduction, ...times });
    this.#link = { node, link };
    return link;
  }

  /** Forwards the request of a client in an Envelope. Undefined: the node is not the active controller. */
  async #forward<N extends ControllerApi>(
    link: BrokerLink,
    {
      api,
      request,
      client,
      timeoutMs,
    }: {
      readonly api: N;
      readonly request: ControllerRequest<N>;
      readonly client: ControllerClient;
      readonly timeoutMs: number;
    },
  ): Promise<ControllerResponse<N> | undefined> {
    const correlationId = ++this.#correlationId & 0x7fffffff;
    const envelope = sealEnvelope(api, request, client, correlationId);
    const { errorCode, responseData } = await link.call("Envelope", envelope, { timeoutMs });
    if (errorCode === Errors.NOT_CONTROLLER.code) return undefined;
    if (errorCode === 0 && responseData !== null) {
      return openResponse(api, responseData, client.version, correlationId) as ControllerResponse<N>;
    }
    this.#host.env.logger.warn("the controller refused an envelope", { api, errorCode });
    return this.#failure(api, request, Errors.UNKNOWN_SERVER_ERROR, client.version);
  }

  /** Gives up requests that wait for a controller, and closes the connection. */
  close(): void {
    this.#isClosed = true;
    this.#link?.link.disconnect();
  }
}
