/**
 * Package of the repository, with the imports that it may have. A package may import packages of earlier floors; within
 * a floor only those listed here. `tidy.test.ts` compares every import with this table.
 */
export interface Room {
  /** Folder under `packages/`. */
  readonly folder: string;
  readonly name: string;
  /** Workspace packages its sources may import. */
  readonly imports: readonly string[];
  /** The sources may import `node:*`. */
  readonly node?: true;
  /** Third-party packages its sources may import. */
  readonly libraries?: readonly string[];
  /** Programs outside the repository import its index. */
  readonly isPublic?: true;
  /** All folders of its sources, lowest first: a file imports from its own folder and from lower ones. `.` is the root. */
  readonly folders?: readonly string[];
}

/** Layers of packages, lowest first. */
export const FLOORS = ["base", "format", "kernel", "runtime", "host", "app", "test"] as const;

/** All packages. */
export const ROOMS: readonly Room[] = [
  { folder: "base", name: "@samsa/base", imports: [] },
  { folder: "format/protocol", name: "@samsa/protocol", imports: ["@samsa/base"] },
  { folder: "format/records", name: "@samsa/records", imports: ["@samsa/base"] },
  { folder: "format/assign", name: "@samsa/assign", imports: ["@samsa/base", "@samsa/protocol"] },
  { folder: "kernel/log", name: "@samsa/log", imports: ["@samsa/base", "@samsa/records"] },
  { folder: "kernel/sasl", name: "@samsa/sasl", imports: ["@samsa/base"] },
  { folder: "kernel/security", name: "@samsa/security", imports: ["@samsa/base"] },
  { folder: "kernel/metadata", name: "@samsa/metadata", imports: ["@samsa/base", "@samsa/protocol"] },
  {
    folder: "kernel/controller",
    name: "@samsa/controller",
    imports: ["@samsa/base", "@samsa/protocol", "@samsa/security", "@samsa/sasl", "@samsa/metadata"],
  },
  {
    folder: "kernel/quorum",
    name: "@samsa/quorum",
    imports: ["@samsa/base", "@samsa/protocol", "@samsa/records"],
  },
  {
    folder: "kernel/coordinator",
    name: "@samsa/coordinator",
    imports: ["@samsa/base", "@samsa/protocol", "@samsa/records"],
  },
  { folder: "kernel/replica", name: "@samsa/replica", imports: ["@samsa/base", "@samsa/protocol"] },
  {
    folder: "kernel/client",
    name: "@samsa/client-kernel",
    imports: ["@samsa/base", "@samsa/protocol", "@samsa/records", "@samsa/assign"],
    folders: ["error", "cluster", "telemetry", "offsets", "fetch", "share", "group", "produce", "."],
  },
  { folder: "runtime/storage", name: "@samsa/storage", imports: ["@samsa/base", "@samsa/records", "@samsa/log"] },
  {
    folder: "runtime/wire",
    name: "@samsa/wire",
    imports: ["@samsa/base", "@samsa/protocol", "@samsa/sasl"],
    folders: ["error", "tls", "sasl", "."],
  },
  {
    folder: "runtime/raft",
    name: "@samsa/raft",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/log",
      "@samsa/metadata",
      "@samsa/quorum",
      "@samsa/storage",
      "@samsa/wire",
    ],
  },
  {
    folder: "runtime/broker",
    name: "@samsa/broker",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/log",
      "@samsa/security",
      "@samsa/sasl",
      "@samsa/metadata",
      "@samsa/controller",
      "@samsa/quorum",
      "@samsa/coordinator",
      "@samsa/replica",
      "@samsa/storage",
      "@samsa/wire",
      "@samsa/raft",
    ],
    folders: [
      ...["config", "turn", "quotas", "replica", "request", "limits", "metadata", "security", "quorum"],
      ...["controller", "peers", "coordinator", "forwarding", "share", "lifecycle"],
      ...["api", "api/records", "api/topics", "api/share", "api/groups", "api/transactions", "api/configs"],
      ...["api/cluster", "api/security", "network", "."],
    ],
  },
  {
    folder: "runtime/client",
    name: "@samsa/client-runtime",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/assign",
      "@samsa/sasl",
      "@samsa/security",
      "@samsa/wire",
      "@samsa/client-kernel",
    ],
    libraries: ["@bufbuild/protobuf"],
    folders: ["cluster", "telemetry", "admin", "consume", "share", "producer", "settings", "."],
  },
  {
    folder: "host/node",
    name: "@samsa/node",
    imports: ["@samsa/base", "@samsa/records"],
    node: true,
    libraries: ["@node-rs/crc32", "snappy", "lz4-napi", "re2js", "fzstd", "jks-js", "jose"],
  },
  {
    folder: "app/client",
    name: "@samsa/client",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/wire",
      "@samsa/client-kernel",
      "@samsa/client-runtime",
      "@samsa/node",
    ],
    node: true,
    isPublic: true,
  },
  {
    folder: "app/kafkajs",
    name: "@samsa/kafkajs",
    imports: [
      "@samsa/base",
      "@samsa/assign",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/wire",
      "@samsa/client-kernel",
      "@samsa/client-runtime",
      "@samsa/node",
    ],
    node: true,
    isPublic: true,
    folders: ["error", "values", "log", "events", "settings", "cluster", "producer", "consumer", "admin", "."],
  },
  { folder: "host/memory", name: "@samsa/memory", imports: ["@samsa/base"] },
  {
    folder: "app/testkit",
    name: "@samsa/testkit",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/node",
      "@samsa/memory",
      "@samsa/broker",
      "@samsa/client-runtime",
    ],
    node: true,
    isPublic: true,
    libraries: ["commander"],
  },
  {
    folder: "app/cli",
    name: "samsa",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/log",
      "@samsa/metadata",
      "@samsa/sasl",
      "@samsa/security",
      "@samsa/quorum",
      "@samsa/storage",
      "@samsa/wire",
      "@samsa/client-kernel",
      "@samsa/client-runtime",
      "@samsa/node",
      "@samsa/broker",
    ],
    node: true,
    libraries: [
      "@bufbuild/protobuf",
      "@opentelemetry/exporter-metrics-otlp-http",
      "@opentelemetry/resources",
      "@opentelemetry/sdk-metrics",
      "commander",
      "node-forge",
      "pino",
      "prom-client",
    ],
  },
  { folder: "test/certificates", name: "@samsa/certificates", imports: [], node: true },
  {
    folder: "test/sim",
    name: "@samsa/sim",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/wire",
      "@samsa/broker",
      "@samsa/client-kernel",
      "@samsa/client-runtime",
      "@samsa/node",
      "@samsa/metadata",
      "@samsa/storage",
    ],
    node: true,
  },
  {
    folder: "test/interop",
    name: "@samsa/interop",
    imports: [
      "@samsa/base",
      "@samsa/assign",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/sasl",
      "@samsa/wire",
      "@samsa/broker",
      "@samsa/client",
      "@samsa/kafkajs",
      "@samsa/node",
      "@samsa/certificates",
    ],
    node: true,
    libraries: ["kafkajs", "@platformatic/kafka", "snappy", "lz4-napi", "vitest"],
  },
  {
    folder: "test/bench",
    name: "@samsa/bench",
    imports: [
      "@samsa/base",
      "@samsa/assign",
      "@samsa/protocol",
      "@samsa/metadata",
      "@samsa/security",
      "@samsa/node",
      "@samsa/wire",
      "@samsa/client",
      "@samsa/certificates",
    ],
    node: true,
    libraries: ["kafkajs", "@platformatic/kafka"],
    folders: ["system", "profiles", "clients", "requests", "."],
  },
  {
    folder: "test/fuzz",
    name: "@samsa/fuzz",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/wire",
      "@samsa/node",
      "@samsa/sim",
      "@samsa/bench",
    ],
    node: true,
  },
  {
    folder: "test/chaos",
    name: "@samsa/chaos",
    imports: [
      "@samsa/base",
      "@samsa/protocol",
      "@samsa/records",
      "@samsa/wire",
      "@samsa/node",
      "@samsa/sim",
      "@samsa/fuzz",
      "@samsa/interop",
    ],
    node: true,
    folders: ["frame", "check", "stage", "scenarios", "."],
  },
  { folder: "test/tidy", name: "@samsa/tidy", imports: [], node: true, libraries: ["typescript"] },
];

/** Floors whose sources are pure: no I/O, clock, randomness or promise. */
export const PURE_FLOORS: readonly string[] = ["base", "format", "kernel"];
/** Floors that compile without Node's types. */
export const TYPELESS_FLOORS: readonly string[] = ["base", "format", "kernel", "runtime"];

/** Pattern that the code of some floors must not contain. */
export interface Ban {
  readonly floors: readonly string[];
  readonly pattern: RegExp;
  /** Paths that the ban does not hold for. */
  readonly except?: RegExp;
  readonly why: string;
}

/** Patterns forbidden in the code of a floor; comments are not checked. */
export const BANS: readonly Ban[] = [
  {
    floors: TYPELESS_FLOORS,
    pattern: /\b(?:Date\.now|new Date|Math\.random|WeakRef|localeCompare|performance\.now|FinalizationRegistry)\b/,
    why: "time, chance and locale come in through Env or as arguments",
  },
  {
    floors: PURE_FLOORS,
    pattern: /\b(?:async (?:function|\()|await |new Promise|Promise\.)/,
    why: "kernels and formats are synchronous",
  },
  {
    floors: ["runtime"],
    pattern: /\blogOf\b/,
    except: /\/(?:partition|topics|moves|retention|index)\.ts$/,
    why: "only the files that keep logs and metadata in step go around a partition",
  },
  { floors: FLOORS, pattern: /\bexport default (?!defineConfig)/, why: "a name is imported by its name" },
  { floors: FLOORS, pattern: /@ts-(?:ignore|expect-error|nocheck)/, why: "the type checker stays on" },
];

/** Words that must not begin a line of a comment. A comment begins with a noun or a verb in the present tense. */
export const FORBIDDEN_FIRST_WORDS: readonly string[] = [
  ...["What", "Whether", "Who", "Whose", "Whom", "How", "Of", "That", "It", "One", "Those", "Such"],
  ...["Nobody", "Somebody", "Nothing", "Everybody"],
];

/** Maximum numbers of lines. */
export const LIMITS = { functionLines: 70, fileLines: 600, testFileLines: 900, folderFiles: 20 } as const;

/** Folders with one file for each message or record of Kafka: their size is not ours to choose. */
export const FOLDERS_OF_DECLARATIONS: readonly string[] = [
  "packages/format/protocol/src/messages",
  "packages/format/protocol/src/metadata-records",
  "packages/format/protocol/src/internal-records",
];

/** Floors whose sources may drop a number, a boolean or an error of their own functions only with a reason. */
export const HEEDFUL_FLOORS: readonly string[] = ["base", "format", "kernel", "runtime", "host", "app"];

/** Results that are dropped: the file below `packages/` and the name of the function, and the reason. */
export const DROPPED_RESULTS: Readonly<Record<string, string>> = {
  "app/client/src/exit-notice.ts writeSync": "a process that exits can do no more about a short write",
  "app/kafkajs/src/consumer/run.ts match": "all topics are subscribed to after it",
  "app/kafkajs/src/consumer/runner.ts forEach": "the messages are counted by their list",
  "format/assign/src/uneven-deal.ts #giveOne": "a topic on the board has subscribers",
  "format/records/src/control.ts uvarint": "skips the number of a tag",
  "format/records/src/judge.ts next": "the batch has been validated",
  "app/cli/src/commands/clients/consume.ts forEach": "the visitor counts what it prints",
  "app/cli/src/commands/clients/bench.ts forEach": "the visitor counts what it measures",
  "app/cli/src/kafka-tools/tools/cluster/storage.ts levelOfRelease": "refuses a release that is not known",
  "kernel/coordinator/src/classic/group.ts i16": "skips the version",
  "kernel/log/src/compaction.ts marker": "a marker adds no key to the map",
  "kernel/metadata/src/image/edits.ts delete": "removing what is not there succeeds",
  "kernel/log/src/scanner.ts next": "the batch is complete",
  "runtime/broker/src/api/records/fetch.ts record": "takes back what the call before has recorded",
  "runtime/broker/src/broker-role.ts #cordon": "no broker epoch exists yet that a heartbeat could carry",
  "runtime/broker/src/config/config-checks.ts parseConfigValue": "throws if the value is invalid",
  "runtime/broker/src/config/settings.ts parseConfigValue": "throws if the value is invalid",
  "runtime/client/src/admin/cluster.ts #once": "the answer says that it is done",
  "runtime/client/src/admin/transactions.ts value": "throws the error of the partition, if it has one",
  "runtime/client/src/cluster/cluster-client.ts #until": "the metadata is there",
  "runtime/raft/src/startup.ts take": "the voters are read once the log is loaded",
  "runtime/raft/src/raft-storage.ts enforceRetention": "the number of deleted segments is not needed",
  "runtime/raft/src/raft-storage.ts writePending": "a disk that refuses takes its directory offline",
  "runtime/broker/src/network/connection.ts write": "`#countUnsent` limits the bytes that are not sent yet",
  "runtime/broker/src/replica/retention.ts expire": "the number of expired producers is not needed",
  "runtime/broker/src/share/share-states.ts deleteRecords": "an offset up to the high watermark is not refused",
  "runtime/storage/src/compact.ts next": "the batch was built here",
  "runtime/storage/src/log-move.ts next": "the chunk was read as whole batches",
  "runtime/storage/src/log-reader.ts readLater": "the bytes only warm the page cache",
  "runtime/storage/src/log.ts firstUndecided": "drops decided transactions",
  "runtime/storage/src/log.ts writePending": "a disk that refuses takes its directory offline",
  "runtime/wire/src/raw-connection.ts authenticate": "a raw connection does not renew its session",
  "runtime/wire/src/raw-connection.ts send": "`ask` has one request in flight",
  "runtime/wire/src/raw-connection.ts write": "tests send little, or mean to send too much",
};
