import { ignored } from "@samsa/base";
import {
  type ControllerApi,
  type ControllerChannel,
  controllerClient,
  type ControllerRequest,
} from "../controller/controller-channel.ts";
import type { Handler } from "../request/handler.ts";

interface Needs {
  readonly channel: ControllerChannel;
}

/** Handler that forwards requests of clients to the controller, without changes (`ForwardingManager`). */
export function forwarded<N extends ControllerApi>(api: N): Handler<N, Needs> {
  return ({ channel }, request, context, reply) => {
    // The channel answers a request with the response of its API.
    const answer = reply as unknown as (response: object) => void;
    const call = channel.call(api, request as ControllerRequest<N>, controllerClient(context));
    call.then(answer, ignored("the channel answers failures, too"));
  };
}
