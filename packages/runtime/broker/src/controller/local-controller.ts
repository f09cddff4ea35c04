import { invariant } from "@samsa/base";
import { ALLOW_ALL } from "@samsa/security";
import { Apis } from "@samsa/protocol";
import { authorized } from "../request/authorization.ts";
import { CONTROLLER_APIS } from "./controller-apis.ts";
import {
  type ControllerApi,
  type ControllerChannel,
  type ControllerClient,
  type ControllerRequest,
  type ControllerResponse,
  controllerResponse,
} from "./controller-channel.ts";
import { type ControllerParts, mutationQuota } from "./controller-row.ts";

/** Way to the controller of this node: calls the handlers of its table within the process. */
export class LocalController implements ControllerChannel {
  readonly #parts: ControllerParts;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  call<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client?: ControllerClient,
  ): Promise<ControllerResponse<N>> {
    const { key, lastStable } = Apis[api];
    const row = CONTROLLER_APIS.get(key);
    invariant(row !== undefined, "every API of the channel has a row");
    const quota = mutationQuota(this.#parts, row, client);
    const { version = lastStable, user = "", host = "", byToken = false } = client ?? {};
    const { logger } = this.#parts.env;
    // The broker itself may do everything.
    const authorizer = client === undefined ? ALLOW_ALL : this.#parts.authorizer;
    return new Promise(resolve => {
      const close = (): void => invariant(false, "a broker sends requests on that it has read");
      const reply = (draft: object | null): void => resolve(controllerResponse(api, draft ?? {}));
      const asked = { request, version, client: { user, host }, close, reply };
      authorized({ authorizer, logger }, row, asked, (permitted, access, answer) => {
        const context = { version, listener: undefined, quota, user, access, allowsTokens: !byToken, close };
        row.handle(this.#parts, permitted, context, answer);
      });
    });
  }
}
