/** Settings that differ from Kafka's, with the reason. */
export const EXPLAINED: readonly { readonly settings: RegExp; readonly differs: RegExp; readonly why: string }[] = [
  {
    settings: /^topic (?:local|remote)\./,
    differs: /^not declared$/,
    why: "the feature of the setting is not implemented: the name is refused",
  },
  {
    settings: /^broker (?:node\.id|process\.roles|controller\.listener\.names|log\.dir|listeners)$/,
    differs: /^default /,
    why: "a single node starts without a properties file, with default directories and listeners",
  },
  {
    settings: /^broker queued\.max\.request\.bytes$/,
    differs: /^default /,
    why: "memory of queued requests is bounded by default",
  },
  {
    settings: /^broker group\.coordinator\.rebalance\.protocols$/,
    differs: /^default /,
    why: "streams groups are not available",
  },
  {
    settings: /^broker listener\.security\.protocol\.map$/,
    differs: /^default /,
    why: "the default includes the protocol of the controller listener",
  },
  {
    settings: /^broker (?:group\.(?:consumer|share)\.assignors|max\.connections\.per\.ip\.overrides)$/,
    differs: /is refused, in Kafka/,
    why: "Kafka refuses the value later, when it loads the classes or resolves the addresses",
  },
  {
    settings: /^broker replica\.selector\.class$/,
    differs: /is refused, in Kafka/,
    why: "Kafka refuses the value later, when it loads the class; only its own selectors are there",
  },
  {
    settings: /^broker authorizer\.class\.name$/,
    differs: /is refused, in Kafka/,
    why: "Kafka refuses the value later, when it loads the class; only its own authorizer is there",
  },
  {
    settings: /^broker (?:allow\.everyone\.if\.no\.acl\.found|super\.users)$/,
    differs: /^unknown to Kafka$|in Kafka error Cannot read field "name"/,
    why: "the authorizer reads these settings, and Kafka declares them nowhere",
  },
  {
    settings: /^(?:broker|topic) compression\.lz4\.level$/,
    differs: /is refused, in Kafka/,
    why: "no library for Node has levels of lz4 other than that of Kafka's fast compressor, 9",
  },
  {
    settings: /^topic .*\.throttled\.replicas$/,
    differs: /^"," is refused/,
    why: "a list with only a comma names no replica",
  },
  {
    settings: /./,
    differs: /^"NaN" is refused/,
    why: "NaN is not a usable value",
  },
];
