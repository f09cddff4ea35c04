import type { Env } from "@samsa/base";
import { WireError, type WireErrorCode } from "@samsa/wire";

/** Failures that last until somebody changes credentials, certificates or settings. */
const LASTING: readonly WireErrorCode[] = [
  "AUTHENTICATION_FAILED",
  "ILLEGAL_SASL_STATE",
  "TLS_FAILED",
  "UNSUPPORTED_MECHANISM",
];
/** Time between two warnings with the same words, in ms. */
const WARN_AGAIN_MS = 60_000;
/** Most warnings that are remembered. */
const WARNINGS = 100;

/** Warns of failures of security, which the log would not tell from a node that is away. */
export function complaints({ clock, logger }: Pick<Env, "clock" | "logger">): (error: unknown) => void {
  const told = new Map<string, number>();
  return error => {
    if (!(error instanceof WireError) || !LASTING.includes(error.code)) return;
    const [now, last = -Infinity] = [clock.monotonic(), told.get(error.message)];
    if (now - last < WARN_AGAIN_MS) return;
    if (told.size >= WARNINGS) told.clear();
    told.set(error.message, now);
    logger.warn("there is no connection to another node", { reason: error.message });
  };
}
