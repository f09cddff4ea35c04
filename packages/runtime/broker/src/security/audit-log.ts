import type { Clock, Logger } from "@samsa/base";
import { type Audit, auditText } from "@samsa/security";

/** Denials that are logged in each period; the others are counted. */
const LINES = 50;
const PERIOD_MS = 10_000;

/** Logs denials, but no more than a disk can take from a client that tries again and again (`kafka.authorizer.logger`). */
export function auditLog(logger: Logger, clock: Clock): Audit {
  let until = 0;
  let left = 0;
  let dropped = 0;
  return (client, action, judgement) => {
    if (judgement.isAllowed) return;
    const now = clock.monotonic();
    if (now >= until) {
      if (dropped > 0)
        logger.info("more denials were not logged", { logger: "kafka.authorizer.logger", count: dropped });
      until = now + PERIOD_MS;
      left = LINES;
      dropped = 0;
    }
    if (left > 0) {
      left--;
      logger.info(auditText(client, action, judgement), { logger: "kafka.authorizer.logger" });
    } else dropped++;
  };
}
