/** Settings that differ from Kafka's, and why. */
export const EXPLAINED: readonly { readonly settings: RegExp; readonly differs: RegExp; readonly why: string }[] = [
  {
    settings: /^topic (?:compression\.lz4|local|remote|errors)\./,
    differs: /^not declared$/,
    why: "what they are for is not there: they are refused by name",
  },
  {
    settings: /^broker (?:node\.id|process\.roles|controller\.listener\.names|log\.dir|listeners)$/,
    differs: /^default /,
    why: "a node that stands alone starts without a file; its data and listeners are its own",
  },
  {
    settings: /^broker process\.roles$/,
    differs: /^"(?:broker|controller)" is refused/,
    why: "a node alone is broker and controller; clusters are not available",
  },
  {
    settings: /^broker .*\.(?:replication\.factor|min\.isr)$/,
    differs: /^default 1, /,
    why: "one node holds one replica",
  },
  {
    settings: /^broker queued\.max\.request\.bytes$/,
    differs: /^default /,
    why: "memory for requests has a bound by default",
  },
  {
    settings: /^broker group\.coordinator\.rebalance\.protocols$/,
    differs: /^default /,
    why: "streams groups are not available",
  },
  {
    settings: /^broker listener\.security\.protocol\.map$/,
    differs: /^default /,
    why: "the listener of the controller has its protocol from the start",
  },
  {
    settings: /^broker (?:group\.consumer\.assignors|max\.connections\.per\.ip\.overrides)$/,
    differs: /is refused, in Kafka/,
    why: "Kafka refuses it a step later, when it loads the classes or reads the addresses",
  },
  {
    settings: /^topic .*\.throttled\.replicas$/,
    differs: /^"," is refused/,
    why: "a list of nothing but a comma names no replica",
  },
  {
    settings: /./,
    differs: /^"NaN" is refused/,
    why: "NaN is no number to go by",
  },
];
