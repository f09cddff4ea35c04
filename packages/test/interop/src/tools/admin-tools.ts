/** Checks of the administration tools. */
import { check, SERVER, type Tool, TOOLS } from "./tool-check.ts";

const topics: Tool = {
  name: "kafka-topics",
  main: `${TOOLS}.TopicCommand`,
  common: SERVER,
  checks: [
    check(
      "create",
      "--create --topic made --partitions 2 --replication-factor 1 --config retention.ms=1000",
      /Created topic made\./,
    ),
    { ...check("create again", "--create --topic made", /Topic 'made' already exists/), fails: true },
    check("create if not there", "--create --topic made --if-not-exists"),
    {
      ...check("create with too many replicas", "--create --topic wrong --replication-factor 3", /replication factor/i),
      fails: true,
    },
    check("list", "--list", /^made$/m, /^tools$/m),
    check(
      "describe",
      "--describe --topic tools",
      /Topic: tools\s+TopicId: \S{22}\s+PartitionCount: 3\s+ReplicationFactor: 1/,
      /Partition: 2\s+Leader: {node}\s+Replicas: {node}\s+Isr: {node}/,
    ),
    { ...check("describe one that is not there", "--describe --topic nowhere", /does not exist/), fails: true },
    {
      ...check("describe under-replicated partitions", "--describe --under-replicated-partitions"),
      hides: [/Topic:/],
    },
    check("describe topics with settings of their own", "--describe --topics-with-overrides", /Topic: made/),
    check("alter the number of partitions", "--alter --topic made --partitions 4"),
    check("describe after that", "--describe --topic made", /PartitionCount: 4/, /Configs:.*retention\.ms=1000/),
    check("delete", "--delete --topic made"),
    { ...check("list after that", "--list", /^tools$/m), hides: [/^made$/m] },
  ],
};

const configs: Tool = {
  name: "kafka-configs",
  main: "kafka.admin.ConfigCommand",
  common: SERVER,
  checks: [
    check(
      "alter a topic",
      "--entity-type topics --entity-name tools --alter --add-config retention.ms=5000,max.message.bytes=2000",
      /Completed updating config for topic tools/,
    ),
    check(
      "describe a topic",
      "--entity-type topics --entity-name tools --describe",
      /retention\.ms=5000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention\.ms=5000/,
      /max\.message\.bytes=2000/,
    ),
    check(
      "describe all of a topic",
      "--entity-type topics --entity-name tools --describe --all",
      /segment\.bytes=1073741824 sensitive=false synonyms=\{DEFAULT_CONFIG:log\.segment\.bytes=1073741824\}/,
    ),
    check("delete a setting", "--entity-type topics --entity-name tools --alter --delete-config retention.ms"),
    {
      ...check(
        "describe after that",
        "--entity-type topics --entity-name tools --describe",
        /max\.message\.bytes=2000/,
      ),
      hides: [/retention\.ms/],
    },
    {
      ...check(
        "alter to what is wrong",
        "--entity-type topics --entity-name tools --alter --add-config retention.ms=soon",
        /Invalid value soon for configuration retention\.ms/,
      ),
      fails: true,
    },
    check(
      "alter every broker",
      "--entity-type brokers --entity-default --alter --add-config message.max.bytes=2000000",
      /Completed updating default config for brokers/,
    ),
    check("describe every broker", "--entity-type brokers --entity-default --describe", /message\.max\.bytes=2000000/),
    check(
      "describe a broker",
      "--entity-type brokers --entity-name {node} --describe --all",
      /log\.dirs?=/,
      /message\.max\.bytes=2000000 .*DYNAMIC_DEFAULT_BROKER_CONFIG/,
    ),
    check(
      "alter a group",
      "--entity-type groups --entity-name g --alter --add-config consumer.session.timeout.ms=50000",
    ),
    check(
      "describe a group",
      "--entity-type groups --entity-name g --describe",
      /consumer\.session\.timeout\.ms=50000/,
    ),
    check("alter metrics", "--entity-type client-metrics --entity-name m --alter --add-config interval.ms=1000"),
    check("describe metrics", "--entity-type client-metrics --entity-name m --describe", /interval\.ms=1000/),
    check("alter a quota", "--entity-type clients --entity-name c --alter --add-config producer_byte_rate=1000"),
    check("describe a quota", "--entity-type clients --entity-name c --describe", /producer_byte_rate=1000/),
    check(
      "alter a user's credentials",
      "--entity-type users --entity-name alice --alter --add-config SCRAM-SHA-256=[iterations=8192,password=secret]",
      /Completed updating config for user alice/,
    ),
    check("describe a user", "--entity-type users --entity-name alice --describe", /SCRAM-SHA-256=iterations=8192/),
  ],
};

const RESET = "--group tools-group --reset-offsets --topic tools:0";
const consumerGroups: Tool = {
  name: "kafka-consumer-groups",
  main: `${TOOLS}.consumer.group.ConsumerGroupCommand`,
  common: SERVER,
  checks: [
    check("list", "--list", /^tools-group$/m),
    check("list with states", "--list --state", /tools-group\s+Empty/),
    check("list with types", "--list --type", /tools-group\s+Classic/),
    check("describe", "--describe --group tools-group", /tools-group\s+tools\s+0\s+10\s+10\s+0/, /no active members/),
    check("describe its state", "--describe --group tools-group --state", /tools-group\s.*Empty\s+0/),
    check("describe its members", "--describe --group tools-group --members", /no active members/),
    check("describe one that is not there", "--describe --group nobody", /Group nobody not found/),
    check("reset to an offset", `${RESET} --to-offset 4 --execute`, /tools-group\s+tools\s+0\s+4/),
    check("describe after that", "--describe --group tools-group", /tools-group\s+tools\s+0\s+4\s+10\s+6/),
    check("reset to a time", `${RESET} --to-datetime 2000-01-01T00:00:00.000 --dry-run`, /tools-group\s+tools\s+0\s+0/),
    check("reset to the end", `${RESET} --to-latest --dry-run`, /tools-group\s+tools\s+0\s+10/),
    check("reset by a shift", `${RESET} --shift-by -2 --dry-run`, /tools-group\s+tools\s+0\s+2/),
    check("reset, as a plan", `${RESET} --to-earliest --export --dry-run`, /"tools",0,0|tools,0,0/),
    check("delete offsets", "--delete-offsets --group tools-group --topic tools:1", /Request succeed/),
    check(
      "delete",
      "--delete --group tools-group",
      /Deletion of requested consumer groups \('tools-group'\) was successful/,
    ),
    { ...check("list after that", "--list"), hides: [/^tools-group$/m] },
  ],
};

const getOffsets: Tool = {
  name: "kafka-get-offsets",
  main: `${TOOLS}.GetOffsetShell`,
  common: SERVER,
  checks: [
    check("latest", "--topic tools", /^tools:0:10$/m, /^tools:1:10$/m, /^tools:2:10$/m),
    check("earliest", "--topic tools --time earliest", /^tools:0:0$/m),
    check("of the largest time", "--topic tools --time max-timestamp", /^tools:0:9$/m),
    check("by time", "--topic tools --time 0", /^tools:0:0$/m),
    check("earliest local", "--topic tools --time earliest-local", /^tools:0:0$/m),
    check("of some partitions", "--topic-partitions tools:1", /^tools:1:10$/m),
    {
      ...check("of a topic that is not there", "--topic nowhere", /Could not match any topic-partitions/),
      fails: true,
    },
  ],
};

const deleteRecords: Tool = {
  name: "kafka-delete-records",
  main: `${TOOLS}.DeleteRecordsCommand`,
  common: SERVER,
  checks: [
    {
      ...check("delete", "--offset-json-file {file}", /partition: tools-0\s+low_watermark: 3/),
      file: '{"partitions":[{"topic":"tools","partition":0,"offset":3}],"version":1}',
    },
    {
      ...check("delete up to the end", "--offset-json-file {file}", /partition: tools-1\s+low_watermark: 10/),
      file: '{"partitions":[{"topic":"tools","partition":1,"offset":-1}],"version":1}',
    },
    {
      ...check("delete beyond the end", "--offset-json-file {file}", /partition: tools-2\s+error: .*OffsetOutOfRange/),
      file: '{"partitions":[{"topic":"tools","partition":2,"offset":99}],"version":1}',
    },
    {
      ...check("the offsets after that", "--bootstrap-server {server} --topic tools --time earliest", /^tools:0:3$/m),
      main: `${TOOLS}.GetOffsetShell`,
    },
  ],
};

const logDirs: Tool = {
  name: "kafka-log-dirs",
  main: `${TOOLS}.LogDirsCommand`,
  common: [...SERVER, "--describe"],
  checks: [
    check(
      "describe a topic",
      "--topic-list tools",
      /"broker":{node}/,
      /"error":null/,
      /"partition":"tools-2","size":[1-9]/,
    ),
    check("describe a broker", "--broker-list {node}", /"partition":"tools-0"/, /"partition":"__consumer_offsets-\d+"/),
    { ...check("describe a broker that is not there", "--broker-list 4711", /4711/), fails: true },
  ],
};

const leaderElection: Tool = {
  name: "kafka-leader-election",
  main: `${TOOLS}.LeaderElectionCommand`,
  common: SERVER,
  checks: [
    check(
      "preferred, of a partition",
      "--election-type preferred --topic tools --partition 0",
      /Valid replica already elected for partitions tools-0/,
    ),
    {
      ...check("preferred, of all", "--election-type preferred --all-topic-partitions"),
      hides: [/error|exception/i],
    },
    check(
      "unclean, of a partition",
      "--election-type unclean --topic tools --partition 1",
      /Valid replica already elected for partitions tools-1/,
    ),
    {
      ...check(
        "of a partition that is not there",
        "--election-type preferred --topic tools --partition 77",
        /tools-77/,
      ),
      fails: true,
    },
  ],
};

const MOVE = '{"version":1,"partitions":[{"topic":"tools","partition":0,"replicas":[{node}],"log_dirs":["any"]}]}';
const reassign: Tool = {
  name: "kafka-reassign-partitions",
  main: `${TOOLS}.reassign.ReassignPartitionsCommand`,
  common: SERVER,
  checks: [
    {
      ...check(
        "generate",
        "--generate --topics-to-move-json-file {file} --broker-list {node}",
        /Proposed partition reassignment configuration/,
        /"topic":"tools","partition":0,"replicas":\[{node}\]/,
      ),
      file: '{"topics":[{"topic":"tools"}],"version":1}',
    },
    {
      ...check(
        "execute",
        "--execute --reassignment-json-file {file}",
        /Successfully started partition reassignment for tools-0/,
      ),
      file: MOVE,
    },
    {
      ...check("verify", "--verify --reassignment-json-file {file}", /Reassignment of partition tools-0 is completed/),
      file: MOVE,
    },
    check("list", "--list", /No partition reassignments found/),
    {
      ...check(
        "cancel",
        "--cancel --reassignment-json-file {file}",
        /None of the specified partition reassignments are active/,
      ),
      file: MOVE,
    },
    {
      ...check("execute with a broker that is not there", "--execute --reassignment-json-file {file}", /4711/),
      file: '{"version":1,"partitions":[{"topic":"tools","partition":0,"replicas":[4711]}]}',
      fails: true,
    },
  ],
};

const features: Tool = {
  name: "kafka-features",
  main: `${TOOLS}.FeatureCommand`,
  common: SERVER,
  checks: [
    check(
      "describe",
      "describe",
      /Feature: metadata\.version\s+SupportedMinVersion: \S+\s+SupportedMaxVersion: \S+\s+FinalizedVersionLevel: [34]\.\S+/,
      /Feature: group\.version/,
      /Feature: transaction\.version/,
    ),
    check("upgrade, only to see", "upgrade --feature kraft.version=1 --dry-run", /kraft\.version/),
    {
      ...check("upgrade beyond what there is", "upgrade --feature metadata.version=999 --dry-run", /999/),
      fails: true,
    },
    { ...check("downgrade what is not there", "downgrade --feature no.such=1 --dry-run", /no\.such/), fails: true },
  ],
};

const quorum: Tool = {
  name: "kafka-metadata-quorum",
  main: `${TOOLS}.MetadataQuorumCommand`,
  common: SERVER,
  checks: [
    check(
      "describe its status",
      "describe --status",
      /ClusterId:\s+\S{22}/,
      /LeaderId:\s+{node}/,
      /HighWatermark:\s+[1-9]/,
      /MaxFollowerLag:\s+0/,
      /CurrentVoters:\s+\[.*{node}/,
    ),
    check("describe its replication", "describe --replication", /NodeId.*LogEndOffset.*Lag/, /^{node}\s.*Leader\s*$/m),
  ],
};

/** Administration tools with their checks. */
export const ADMIN_TOOLS: readonly Tool[] = [
  topics,
  configs,
  consumerGroups,
  getOffsets,
  deleteRecords,
  logDirs,
  leaderElection,
  reassign,
  features,
  quorum,
];
