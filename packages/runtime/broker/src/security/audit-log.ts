import { type Clock, limited, type Logger, named } from "@samsa/base";
import { type Audit, auditText } from "@samsa/security";

/** Denials that are logged in each period; the others are counted. */
const LIMIT = { lines: 50, periodMs: 10_000 };

/** Logs denials, but no more than a disk can take from a client that tries again and again (`kafka.authorizer.logger`). */
export function auditLog(logger: Logger, clock: Clock): Audit {
  const lines = limited(named(logger, "kafka.authorizer.logger"), clock, LIMIT);
  return (client, action, judgement) => {
    if (!judgement.isAllowed) lines.info(auditText(client, action, judgement));
  };
}
