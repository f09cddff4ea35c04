import { type BrokerRole, logOf } from "@samsa/broker";

/** Bound on producers with verification state in one log: producers plus transactional ids of a scenario. */
const MOST_PRODUCERS = 16;
/** Bound on timers of a coordinator shard: sessions, rebalances and the like, for a few members in each group type. */
const MOST_TIMERS = 60;
/** Bound on fetch sessions: a few per consumer, since a broken connection orphans its session. */
const MOST_SESSIONS = 1000;
/** Bound on transactions of one log that are open or wait for their marker to be replicated. */
const MOST_UNDECIDED = 200;

/** Compares the sizes of a broker's tables with fixed bounds. Returns a message for the first one above its bound. */
export function keptTooMuch(broker: BrokerRole): string | undefined {
  const above = (what: string, size: number, most: number): string | undefined =>
    size > most ? `${what}: ${size}, and ${most} at most` : undefined;
  const all = [...broker.topics.all()].map(partition => ({
    name: partition.path,
    producers: logOf(partition).state.producers,
  }));
  const told = all.flatMap(({ name, producers }) => [
    above(`verifications of ${name}`, producers.verifying, MOST_PRODUCERS),
    above(`transactions of ${name}`, producers.undecided.kept, MOST_UNDECIDED),
  ]);
  const shards = [...broker.groups.all()].map(({ shard }) => above("timers", shard.scheduled, MOST_TIMERS));
  return [...told, ...shards, above("fetch sessions", broker.sessions.size, MOST_SESSIONS)].find(
    text => text !== undefined,
  );
}

/**
 * Path of a log whose recovery point is below its last roll; undefined if there is none. Closed segments are flushed in the
 * background, so that a start reads the active segment only.
 */
export function unsealedLog(broker: BrokerRole): string | undefined {
  for (const partition of broker.topics.all()) {
    const log = logOf(partition);
    if (partition.fault === 0 && log.recoveryPoint < log.state.active.base) return log.path;
  }
  return undefined;
}
