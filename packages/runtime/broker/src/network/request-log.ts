import { type Env, limited, type Logger, named } from "@samsa/base";
import type { RequestHead, RequestOrigin } from "../request/request-context.ts";
import type { Slot } from "./slot.ts";

const NAME = "kafka.request.logger";
/** Lines about requests in a period; of the others only their number is logged. */
const SAMPLE = { lines: 500, periodMs: 1000 };
const SLOW_LINES = { lines: 20, periodMs: 10_000 };
/** Time in the queue and in the handler, without waits, from which a request is slow, in µs. */
const SLOW_US = 1_000_000;

const ms = (us: number): number => Math.round(us / 100) / 10;

/**
 * Log of requests (`kafka.request.logger`): at DEBUG a line for each that was answered, of which so many are sampled in a
 * second; at WARN one for each that has kept the broker busy for a second.
 */
export class RequestLog {
  readonly #levels: Logger["levels"];
  readonly #sample: Logger;
  readonly #slow: Logger;

  constructor({ logger, clock }: Pick<Env, "logger" | "clock">) {
    const own = named(logger, NAME);
    this.#levels = logger.levels;
    this.#sample = limited(own, clock, SAMPLE);
    this.#slow = limited(own, clock, SLOW_LINES);
  }

  answered(api: string, head: RequestHead, context: RequestOrigin, slot: Slot): void {
    const isSlow = slot.queueUs + slot.localUs >= SLOW_US;
    if (!isSlow && this.#levels?.isOn(NAME, "DEBUG") !== true) return;
    const { version, correlationId, clientId } = head;
    const { user, listener, peer } = context;
    const facts = {
      ...{ api, version, correlationId, clientId, principal: `User:${user}`, listener, client: peer.host },
      ...{ bytes: slot.bytes, queueMs: ms(slot.queueUs), localMs: ms(slot.localUs), remoteMs: ms(slot.remoteUs) },
    };
    if (isSlow) this.#slow.warn("a request was slow", facts);
    else this.#sample.debug("a request was answered", facts);
  }
}
