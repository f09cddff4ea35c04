/** Checks of the tools that write and read records or log files, and of other special tools. */
import { check, SERVER, type Tool, TOOLS } from "./tool-check.ts";

const verifiable: Tool = {
  name: "kafka-verifiable-producer/consumer",
  main: `${TOOLS}.VerifiableProducer`,
  common: SERVER,
  checks: [
    check("produce", "--topic tools --max-messages 100", /"sent":100.*"acked":100|"acked":100.*"sent":100/),
    {
      ...check(
        "consume",
        "--bootstrap-server {server} --topic tools --max-messages 130 --group-id verifiable --reset-policy earliest",
        /"name":"partitions_assigned"/,
        /"name":"records_consumed"/,
        /"name":"offsets_committed".*"success":true/,
      ),
      main: `${TOOLS}.VerifiableConsumer`,
    },
  ],
};

const perf: Tool = {
  name: "kafka-producer/consumer-perf-test",
  main: `${TOOLS}.ProducerPerformance`,
  common: [],
  checks: [
    check(
      "produce",
      "--topic tools --num-records 20000 --record-size 100 --throughput -1 --bootstrap-server {server}",
      /20000 records sent, .* 99\.9th/,
    ),
    {
      ...check(
        "consume",
        "--bootstrap-server {server} --topic tools --num-records 20000 --timeout 10000",
        /start\.time, end\.time, data\.consumed\.in\.MB/,
        /, 20\d{3}, /,
      ),
      main: `${TOOLS}.ConsumerPerformance`,
    },
    {
      ...check(
        "from end to end",
        "--bootstrap-server {server} --topic tools --num-records 200 --producer-acks all --record-size 20",
        /Avg latency: /,
      ),
      main: `${TOOLS}.EndToEndLatency`,
    },
  ],
};

const console: Tool = {
  name: "kafka-console-producer/consumer",
  main: `${TOOLS}.ConsoleProducer`,
  common: SERVER,
  checks: [
    {
      ...check("produce", "--topic console --reader-property parse.key=true --reader-property key.separator=:"),
      input: "a:one\nb:two\n",
    },
    {
      ...check(
        "consume",
        "--bootstrap-server {server} --topic console --from-beginning --max-messages 2 --formatter-property print.key=true --timeout-ms 10000",
        /^a\tone$/m,
        /^b\ttwo$/m,
        /Processed a total of 2 messages/,
      ),
      main: `${TOOLS}.consumer.ConsoleConsumer`,
    },
    {
      ...check(
        "consume committed offsets",
        "--bootstrap-server {server} --topic __consumer_offsets --from-beginning --max-messages 20 --timeout-ms 4000 --formatter org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
        /"group":"tools-group"/,
      ),
      main: `${TOOLS}.consumer.ConsoleConsumer`,
    },
  ],
};

const apiVersions: Tool = {
  name: "kafka-broker-api-versions",
  main: `${TOOLS}.BrokerApiVersionsCommand`,
  common: SERVER,
  checks: [check("all", "", /\(id: {node} rack: null isFenced: false\) -> \(/, /Produce\(0\): 0 to 13 \[usable: 13\]/)],
};

const cluster: Tool = {
  name: "kafka-cluster",
  main: `${TOOLS}.ClusterTool`,
  common: [],
  checks: [
    check("cluster-id", "cluster-id --bootstrap-server {server}", /Cluster ID: \S{22}/),
    check("list-endpoints", "list-endpoints --bootstrap-server {server}", /^{node}\s+127\.0\.0\.1/m),
    {
      ...check(
        "unregister one that is not there",
        "unregister --bootstrap-server {server} --id 4711",
        /4711 is not currently registered/,
      ),
      fails: true,
    },
  ],
};

const clientMetrics: Tool = {
  name: "kafka-client-metrics",
  main: `${TOOLS}.ClientMetricsCommand`,
  common: SERVER,
  checks: [
    check(
      "alter",
      "--alter --name metrics --metrics org.apache.kafka.producer. --interval 60000 --match client_id=.*",
      /Altered client metrics config for metrics/,
    ),
    check("list", "--list", /^metrics$/m),
    check("describe", "--describe --name metrics", /interval\.ms=60000/, /metrics=org\.apache\.kafka\.producer\./),
    check("delete", "--delete --name metrics", /Deleted client metrics config for metrics/),
    { ...check("list after that", "--list"), hides: [/^metrics$/m] },
  ],
};

const groups: Tool = {
  name: "kafka-groups",
  main: `${TOOLS}.GroupsCommand`,
  common: SERVER,
  checks: [
    check("list", "--list", /tools-group\s+Classic\s+consumer/),
    check("list consumer groups", "--list --consumer", /tools-group/),
    { ...check("list share groups", "--list --share"), hides: [/tools-group/] },
  ],
};

const replicaVerification: Tool = {
  name: "kafka-replica-verification",
  main: `${TOOLS}.ReplicaVerificationTool`,
  common: [],
  checks: [
    {
      ...check(
        "verify",
        "--broker-list {server} --topics-include tools --report-interval-ms 500",
        /verification process is started/,
        /max lag is 0 for partition/,
      ),
      endless: true,
    },
  ],
};

const rest: readonly Tool[] = [
  {
    name: "kafka-transactions",
    main: `${TOOLS}.TransactionsCommand`,
    common: SERVER,
    checks: [
      check("list", "list", /TransactionalId\s+Coordinator\s+ProducerId/),
      check("describe producers", "describe-producers --topic tools --partition 0", /ProducerId\s+ProducerEpoch/),
      check("find hanging ones", "find-hanging --broker-id {node}", /Topic\s+Partition\s+ProducerId/),
    ],
  },
  {
    name: "kafka-acls",
    main: `${TOOLS}.AclCommand`,
    common: SERVER,
    checks: [{ ...check("list", "--list", /SecurityDisabledException: No Authorizer is configured/), fails: true }],
  },
  {
    name: "kafka-delegation-tokens",
    main: `${TOOLS}.DelegationTokenCommand`,
    common: SERVER,
    checks: [
      {
        ...check("describe", "--describe --command-config {file}", /Delegation Token requests are not allowed/),
        file: "client.id=tools\n",
        fails: true,
      },
    ],
  },
  {
    name: "kafka-share-groups",
    main: `${TOOLS}.consumer.group.ShareGroupCommand`,
    common: SERVER,
    checks: [
      check("list", "--list"),
      check("describe one that is not there", "--describe --group nobody", /does not exist|not found/i),
    ],
  },
  {
    name: "kafka-streams-groups",
    main: `${TOOLS}.streams.StreamsGroupCommand`,
    common: SERVER,
    checks: [
      check("list", "--list"),
      {
        ...check("describe one that is not there", "--describe --group nobody", /does not exist|not found/i),
        fails: true,
      },
    ],
  },
];

const dumpLog: Tool = {
  name: "kafka-dump-log",
  main: `${TOOLS}.DumpLogSegments`,
  common: [],
  stopped: true,
  checks: [
    check(
      "a log",
      "--files {directory}/tools-0/00000000000000000000.log --deep-iteration --print-data-log",
      /baseOffset: 0 lastOffset: \d+ count: \d+ .*isvalid: true/,
      /\| offset: 9 .*payload: /,
    ),
    check(
      "an index",
      "--files {directory}/tools-0/00000000000000000000.index --index-sanity-check",
      /passed sanity check|index is empty/,
    ),
    check(
      "a time index",
      "--files {directory}/tools-0/00000000000000000000.timeindex --index-sanity-check",
      /passed sanity check/,
    ),
    check(
      "the metadata log",
      "--files {directory}/__cluster_metadata-0/00000000000000000000.log --cluster-metadata-decoder",
      /"type":"TOPIC_RECORD","version":0,"data":\{"name":"tools"/,
      /"type":"PARTITION_RECORD"/,
    ),
    { ...check("what is not there", "--files {directory}/nowhere.log", /nowhere/), fails: true },
  ],
};

const METADATA = "--snapshot {directory}/__cluster_metadata-0/00000000000000000000.log";
const metadataShell: Tool = {
  name: "kafka-metadata-shell",
  main: "org.apache.kafka.shell.MetadataShell",
  common: [],
  stopped: true,
  checks: [
    check("list", `${METADATA} ls /image`, /cluster/, /topics/, /configs/),
    check("list topics", `${METADATA} ls /image/topics/byName`, /tools/),
    check("show a partition", `${METADATA} cat /image/topics/byName/tools/0`, /"leader"|leader/),
    check("show the brokers", `${METADATA} ls /image/cluster/brokers`, /{node}/),
  ],
};

/** Tools that write and read records or log files, and other special tools. */
export const RECORD_TOOLS: readonly Tool[] = [
  metadataShell,
  dumpLog,
  verifiable,
  perf,
  console,
  apiVersions,
  cluster,
  clientMetrics,
  groups,
  replicaVerification,
  ...rest,
];
