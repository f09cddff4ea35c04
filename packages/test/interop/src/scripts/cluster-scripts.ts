import { asks, plain, type Script, STACK, TOOLS } from "./script-case.ts";

/** Times, ages and offsets of the metadata log, which grow. */
const GROWING = /\d{13}|\d+ ms ago|(?<=HighWatermark: +)\d+|(?<=\t)\d+ +(?=\t0 +\t)/g;

const features: Script = {
  name: "kafka-features",
  main: `${TOOLS}.FeatureCommand`,
  cases: [
    asks("describe", "describe", { varies: /(?<=Epoch: )\d+/g }),
    asks("describe by a node", "describe --node-id {node}", { varies: /(?<=Epoch: )\d+/g }),
    asks("describe by a node that cannot be", "describe --node-id -1"),
    asks("upgrade to the present level", "upgrade --feature group.version=1 --dry-run"),
    asks("upgrade a feature that is unknown", "upgrade --feature no.such=1"),
    asks("upgrade to no level", "upgrade --feature group.version"),
    asks("upgrade to a level that is none", "upgrade --feature group.version=x"),
    asks("upgrade a feature twice", "upgrade --feature group.version=1 --feature group.version=1"),
    asks("upgrade nothing", "upgrade"),
    asks("upgrade to a release and a level", "upgrade --release-version 4.0 --feature group.version=1"),
    asks("upgrade to a release that is unknown", "upgrade --release-version 99.0", { isVague: true }),
    asks("disable and change nothing", "disable --feature streams.version --dry-run"),
    asks("disable nothing", "disable"),
    plain("levels of a release", "version-mapping --release-version 4.0"),
    plain("levels of the exact name of a release", "version-mapping --release-version 3.9-IV0"),
    plain("what a level needs", "feature-dependencies --feature eligible.leader.replicas.version=1"),
    plain("what levels need", "feature-dependencies --feature group.version=1 --feature metadata.version=21"),
    plain("what an unknown feature needs", "feature-dependencies --feature no.such=1"),
    plain("what an unknown level needs", "feature-dependencies --feature group.version=99"),
    plain("what nothing needs", "feature-dependencies"),
    plain("no server", "describe"),
    plain("no command", ""),
    plain("an unknown command", "nope"),
    asks("an unknown option", "describe --nope"),
    asks("an option without its argument", "upgrade --feature"),
    asks("a number that is none", "describe --node-id x"),
  ],
};

const quorum: Script = {
  name: "kafka-metadata-quorum",
  main: `${TOOLS}.MetadataQuorumCommand`,
  cases: [
    asks("status", "describe --status", { varies: GROWING }),
    asks("replicas", "describe --replication", { varies: GROWING }),
    asks("replicas, readable", "describe --replication --human-readable", { varies: GROWING }),
    asks("neither", "describe"),
    asks("both", "describe --status --replication"),
    asks("a status for people", "describe --status --human-readable"),
    asks("a controller without a file", "add-controller"),
    // Ours has the words of 4.4, Kafka's tools here are of 4.3.
    plain("a file that is not there", "--bootstrap-server {server} --command-config /no/such describe --status", {
      isVague: true,
    }),
    asks(
      "remove in words",
      "remove-controller --controller-id 77 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ --dry-run",
      { isVague: true },
    ),
    asks(
      "remove a controller that cannot be",
      "remove-controller --controller-id -1 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ",
    ),
    asks("remove without an id", "remove-controller --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ"),
    plain("no server", "describe --status"),
    plain("no arguments", ""),
    asks("no command", ""),
    asks("an unknown option", "describe --nope"),
  ],
};

const cluster: Script = {
  name: "kafka-cluster",
  main: `${TOOLS}.ClusterTool`,
  cases: [
    plain("id", "cluster-id --bootstrap-server {server}"),
    plain("id, in short", "cluster-id -b {server}"),
    plain("endpoints", "list-endpoints --bootstrap-server {server}"),
    plain("endpoints of fenced brokers, too", "list-endpoints --bootstrap-server {server} --include-fenced-brokers"),
    plain("unregister a broker that is not there", "unregister --bootstrap-server {server} --id 77"),
    plain("unregister nobody", "unregister --bootstrap-server {server}"),
    plain("unregister what is no number", "unregister --bootstrap-server {server} --id x"),
    plain("an old option", "cluster-id --bootstrap-server {server} --config {file}", { file: "" }),
    plain("an old option and its new name", "cluster-id --bootstrap-server {server} --config {file} -c {file}", {
      file: "",
      isVague: true,
    }),
    plain("no server", "cluster-id"),
    plain("both kinds of servers", "cluster-id --bootstrap-server {server} --bootstrap-controller {server}"),
    plain("no command", ""),
    // 4.4 has one more.
    plain("an unknown command", "nope", { isVague: true }),
  ],
};

const TXN = "tx-{who}";
const transactions: Script = {
  name: "kafka-transactions",
  main: `${TOOLS}.TransactionsCommand`,
  cases: [
    asks("list", "list", { isUnordered: true, varies: / +/g }),
    asks("list those that are open for long", "list --duration-filter 3600000"),
    asks("list some", "list --transactional-id-pattern open.*"),
    asks("describe", "describe --transactional-id open-transaction", { varies: /(?<=\d{13} *\t)\d+ *(?=\t)/g }),
    asks("describe one that is not there", `describe --transactional-id ${TXN}`),
    asks("describe producers", "describe-producers --topic records --partition 0"),
    asks("describe producers of a replica", "describe-producers --topic records --partition 0 --broker-id {node}"),
    asks("describe producers with an open one", "describe-producers --topic pending --partition 0", {
      varies: /\d{13}/g,
    }),
    asks("find hanging ones", "find-hanging --topic records"),
    asks("find hanging ones of a partition", "find-hanging --topic records --partition 0"),
    asks("find hanging ones of a broker", "find-hanging --broker-id {node}"),
    asks("find hanging ones anywhere", "find-hanging"),
    asks("find hanging ones of a partition of nothing", "find-hanging --broker-id {node} --partition 0"),
    asks("abort nothing", "abort --topic records --partition 0"),
    asks("abort at an offset", "abort --topic records --partition 0 --start-offset 99"),
    asks("abort without an epoch", "abort --topic records --partition 0 --producer-id 1"),
    asks(
      "abort without the epoch of a coordinator",
      "abort --topic records --partition 0 --producer-id 1 --producer-epoch 0",
    ),
    asks("no command", ""),
    asks("no topic", "abort --partition 0"),
    asks("an unknown command", "nope"),
    plain("no server", "list"),
    plain("no arguments", ""),
  ],
};

const apiVersions: Script = {
  name: "kafka-broker-api-versions",
  main: `${TOOLS}.BrokerApiVersionsCommand`,
  cases: [
    // Clients of the two sides know different APIs and versions.
    asks("all", "", {
      varies:
        /(?: \[usable: \d+\]|,?\n\t\w+\(\d+\): UNSUPPORTED)+|(?<=\t)\w+\(94\): 0(?: \[usable: \d+\])?| isFenced: \w+/g,
    }),
    plain("no server", "--command-config x"),
    plain("no arguments", "", { isVague: true }),
  ],
};

const PLAN = (replicas: string, more = ""): string =>
  `{"version":1,"partitions":[{"topic":"records","partition":0,"replicas":[${replicas}]${more}}]}`;

const reassign: Script = {
  name: "kafka-reassign-partitions",
  main: `${TOOLS}.reassign.ReassignPartitionsCommand`,
  cases: [
    asks("list", "--list"),
    asks("verify", "--verify --reassignment-json-file {file}", { file: PLAN("{node}") }),
    asks("verify what is not so", "--verify --reassignment-json-file {file} --preserve-throttles", {
      file: PLAN("77"),
    }),
    asks("verify a topic that is not there", "--verify --reassignment-json-file {file} --preserve-throttles", {
      file: PLAN("1").replace("records", "nowhere"),
    }),
    asks("execute", "--execute --reassignment-json-file {file}", { file: PLAN("{node}") }),
    asks("execute with a limit", "--execute --reassignment-json-file {file} --throttle 1000000", {
      file: PLAN("{node}"),
    }),
    asks("execute on a broker that is not there", "--execute --reassignment-json-file {file}", {
      varies: STACK,
      file: PLAN("77"),
    }),
    asks("execute with a broker twice", "--execute --reassignment-json-file {file}", {
      varies: STACK,
      file: PLAN("1,1"),
    }),
    asks("execute without replicas", "--execute --reassignment-json-file {file}", { varies: STACK, file: PLAN("") }),
    asks("execute nothing", "--execute --reassignment-json-file {file}", {
      varies: STACK,
      file: '{"version":1,"partitions":[]}',
    }),
    asks("execute with too few directories", "--execute --reassignment-json-file {file}", {
      varies: STACK,
      file: PLAN("1", ',"log_dirs":[]'),
    }),
    asks("execute on a topic that is not there", "--execute --reassignment-json-file {file}", {
      varies: STACK,
      file: PLAN("{node}").replace("records", "nowhere"),
    }),
    asks("execute on a partition that is not there", "--execute --reassignment-json-file {file}", {
      varies: STACK,
      file: PLAN("{node}").replace('partition":0', 'partition":77'),
    }),
    asks("another version", "--execute --reassignment-json-file {file}", { varies: STACK, file: '{"version":2}' }),
    asks("cancel", "--cancel --reassignment-json-file {file}", { file: PLAN("{node}") }),
    asks("cancel and keep limits", "--cancel --reassignment-json-file {file} --preserve-throttles", {
      file: PLAN("{node}"),
    }),
    asks("generate", "--generate --topics-to-move-json-file {file} --broker-list {node}", {
      file: '{"topics":[{"topic":"records"}],"version":1}',
    }),
    asks(
      "generate for a topic that is not there",
      "--generate --topics-to-move-json-file {file} --broker-list {node}",
      {
        varies: STACK,
        file: '{"topics":[{"topic":"nowhere"}],"version":1}',
      },
    ),
    asks("generate for a broker twice", "--generate --topics-to-move-json-file {file} --broker-list 1,1", {
      varies: STACK,
      file: "{}",
    }),
    asks("no plan", "--execute"),
    asks("two actions", "--execute --verify"),
    asks("no action", ""),
    asks("an option of another action", "--list --throttle 5"),
    plain("no server", "--list"),
    plain("no arguments", "", { isVague: true }),
    asks("an unknown option", "--nope"),
  ],
};

const FORMAT = "format --config {file} --cluster-id AAAAAAAAAAAAAAAAAAAAAQ";
const NODE = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:1
listeners=PLAINTEXT://localhost:2,CONTROLLER://localhost:1
controller.listener.names=CONTROLLER
log.dirs={file}-logs
`;
const storage: Script = {
  name: "kafka-storage",
  main: "kafka.tools.StorageTool",
  cases: [
    plain("a random id", "random-uuid", { varies: /^\S{22}$/ }),
    plain("levels of a release", "version-mapping --release-version 4.0"),
    plain("levels of a release that is unknown", "version-mapping --release-version 99.0", { isVague: true }),
    plain("what a level needs", "feature-dependencies --feature eligible.leader.replicas.version=1"),
    plain("what an unknown feature needs", "feature-dependencies --feature no.such=1"),
    plain("what a feature without level needs", "feature-dependencies --feature group.version"),
    plain("what a level that is none needs", "feature-dependencies --feature group.version=x"),
    plain("a directory that is not there", "info --config {file}", { file: NODE }),
    // Ours lists the records in fewer words.
    plain("format", `${FORMAT} --release-version 4.0`, { file: NODE, varies: /(?<=Bootstrap metadata: ).*/ }),
    plain("format again", FORMAT, { file: NODE }),
    plain("format again and mind nothing", `${FORMAT} --ignore-formatted`, { file: NODE }),
    plain("info", "info --config {file}", { file: NODE, varies: /(?<=directory\.id=)\S{22}/ }),
    plain("format to an id that is none", FORMAT.replace("AAAAAAAAAAAAAAAAAAAAAQ", "x"), { file: NODE, isVague: true }),
    plain("a file that is not there", "info --config /no/such", { isVague: true }),
    plain("no file", "info"),
    plain("no id of the cluster", "format --config {file}", { file: NODE }),
    plain("two kinds of first voters", `${FORMAT} --standalone --no-initial-controllers`, { file: NODE }),
    plain("no command", ""),
    plain("an unknown command", "nope"),
  ],
};

/** Scripts about the cluster, its features and its transactions. */
export const CLUSTER_SCRIPTS: readonly Script[] = [
  features,
  quorum,
  cluster,
  transactions,
  apiVersions,
  reassign,
  storage,
];
