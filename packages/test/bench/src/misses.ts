/** Reasons why rows miss their goals, by their keys, and the flame graph in `docs/flames` that shows it. */
export const REASONS: Readonly<Record<string, { readonly why: string; readonly flame: string }>> = {
  "latency.p99.9": {
    why:
      "the tool counts whole milliseconds, and it shares two processors with a broker that is idle for nine tenths of the time. " +
      "The mean and the 99th percentile are at 0.7 of Kafka's.",
    flame: "end-to-end.svg",
  },
  "groups.classic": {
    why:
      "200 members on 200 connections join and synchronize in about 50 ms, much of which is the client that plays them all. " +
      "The broker's own time is half of Kafka's, a seventh of it in writes to the sockets.",
    flame: "groups.svg",
  },
  "groups.consumer": {
    why:
      "members ask every 200 ms, and a member gets its partitions in three to four such rounds, whoever coordinates. " +
      "The broker's own time is 0.7 of Kafka's: heartbeats, and the targets that each join makes anew.",
    flame: "groups.svg",
  },
  "compaction.rate": {
    why:
      "Kafka compacts on a thread of its own. Here slices of a millisecond take turns with the requests on one event loop, " +
      "for less processor time in all, and writes meanwhile wait for 18 ms at the 99th percentile beside 11. A thread for " +
      "compaction would gain most.",
    flame: "compaction.svg",
  },
};
