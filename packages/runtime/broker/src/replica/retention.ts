import { type Env, guardEach } from "@samsa/base";
import type { BrokerConfig } from "../config/configs.ts";
import { logOf, type Partition } from "./partition.ts";
import type { Topics } from "./topics.ts";

/** Parts of a broker with logs. */
interface Home {
  readonly config: Pick<BrokerConfig, "producer.id.expiration.ms">;
  readonly env: Env;
  readonly topics: Pick<Topics, "all">;
}

function eachLog({ env, topics }: Home, what: string, task: (partition: Partition) => void): void {
  // Followers delete segments themselves, those below the leader's start included.
  const served = [...topics.all()].filter(({ readFault }) => readFault === 0);
  guardEach(served, task, error => env.logger.error(`${what} of a log failed`, { error }));
}

/** Deletes segments beyond the limits of age and size (`LogManager.cleanupLogs`). */
export function retain(home: Home): void {
  const now = home.env.clock.now();
  eachLog(home, "the retention", partition => {
    if (logOf(partition).enforceRetention(now) > 0) partition.startMoved();
  });
}

/** Removes producer state that has been idle for too long (`UnifiedLog.removeExpiredProducers`). */
export function expireProducers(home: Home): void {
  const now = home.env.clock.now();
  const afterMs = home.config["producer.id.expiration.ms"];
  eachLog(home, "the expiry of producers", partition => void logOf(partition).state.producers.expire(now, afterMs));
}
