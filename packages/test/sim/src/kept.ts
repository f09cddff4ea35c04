import type { Broker } from "@samsa/broker";

/** Transactional ids, and producers of a scenario: each may have some state in each log. */
const MOST_PRODUCERS = 16;
/** Most timers of one group of each type with a few members: sessions, rebalances and the like. */
const MOST_TIMERS = 60;
/** Most fetch sessions: a few for each consumer, which loses some to broken connections. */
const MOST_SESSIONS = 1000;
const MOST_UNDECIDED = 200;

/** Compares what a broker keeps with bounds that do not depend on how much has happened; what is above its bound. */
export function keptTooMuch(broker: Broker): string | undefined {
  const above = (what: string, size: number, most: number): string | undefined =>
    size > most ? `${what}: ${size}, and ${most} at most` : undefined;
  const all = [...broker.topics.all()].map(({ log }) => ({ name: log.path, producers: log.state.producers }));
  const told = all.flatMap(({ name, producers }) => [
    above(`verifications of ${name}`, producers.verifying, MOST_PRODUCERS),
    above(`transactions of ${name}`, producers.undecided.kept, MOST_UNDECIDED),
  ]);
  const shards = [...broker.groups.all()].map(({ shard }) => above("timers", shard.scheduled, MOST_TIMERS));
  return [...told, ...shards, above("fetch sessions", broker.sessions.size, MOST_SESSIONS)].find(
    text => text !== undefined,
  );
}
