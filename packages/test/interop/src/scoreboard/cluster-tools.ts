/** Checks of Kafka's tools for clusters, on three nodes that are brokers and controllers. They run in order. */
import { check, type Tool, type ToolCheck, TOOLS } from "./tool-check.ts";

const SERVER = "--bootstrap-server {server}";
const CONTROLLER = "--bootstrap-controller {controllers}";

function by(main: string, made: ToolCheck): ToolCheck {
  return { ...made, main: main.startsWith("org.") ? main : `${TOOLS}.${main}` };
}

const REASSIGN = "reassign.ReassignPartitionsCommand";
const PLAN = `${SERVER} --reassignment-json-file {file}`;
const MOVES = JSON.stringify({
  version: 1,
  partitions: [
    { topic: "moved", partition: 0, replicas: [3, 1] },
    { topic: "moved", partition: 1, replicas: [1, 2, 3] },
    { topic: "moved", partition: 2, replicas: [2, 3] },
  ],
});

const quorum: readonly ToolCheck[] = [
  check(
    "status of the quorum, from brokers",
    `${SERVER} describe --status`,
    /CurrentVoters:.*"id": 1.*"id": 2.*"id": 3/,
  ),
  check("status of the quorum, from controllers", `${CONTROLLER} describe --status`, /LeaderId:\s+[123]/),
  check("replicas of the metadata log", `${SERVER} describe --replication`, /Leader\s*$/m, /Follower\s*$/m),
].map(made => by("MetadataQuorumCommand", made));

const cluster: readonly ToolCheck[] = [
  check("id of the cluster, from brokers", `cluster-id ${SERVER}`, /Cluster ID: \S{22}/),
  check("id of the cluster, from controllers", `cluster-id ${CONTROLLER}`, /Cluster ID: \S{22}/),
  check("brokers", `list-endpoints ${SERVER}`, /^1 .*unfenced/m, /^2 .*unfenced/m, /^3 .*unfenced/m),
  check("controllers", `list-endpoints ${CONTROLLER}`, /^1 .*controller/m, /^2 .*controller/m, /^3 .*controller/m),
].map(made => by("ClusterTool", made));

const features: readonly ToolCheck[] = [
  check("features, from controllers", `${CONTROLLER} describe`, /kraft\.version.*FinalizedVersionLevel: 0/),
  check("lower a feature", `${SERVER} downgrade --feature transaction.version=1`, /was downgraded to 1/),
  check(
    "raise a feature, at controllers",
    `${CONTROLLER} upgrade --feature transaction.version=2`,
    /was upgraded to 2/,
  ),
  check("let voters change", `${CONTROLLER} upgrade --feature kraft.version=1`, /kraft\.version was upgraded to 1/),
  check("features after that", `${SERVER} describe`, /kraft\.version.*FinalizedVersionLevel: 1/),
].map(made => by("FeatureCommand", made));

const topics: readonly ToolCheck[] = [
  by(
    "TopicCommand",
    check("create a topic", `${SERVER} --create --topic moved --replica-assignment 1:2,2:3,3:1`, /Created topic moved/),
  ),
  by("VerifiableProducer", check("produce", `${SERVER} --topic moved --max-messages 3000 --acks -1`, /"acked":3000/)),
  by("LogDirsCommand", {
    ...check("directories of all brokers", `${SERVER} --describe --topic-list moved`, /brokers 1,2,3/, /"offsetLag":0/),
    hides: [/"offsetLag":-1/],
  }),
  by("TopicCommand", {
    ...check("no partition is under-replicated", `${SERVER} --describe --under-replicated-partitions`),
    hides: [/Topic:/],
  }),
  by("BrokerApiVersionsCommand", check("versions of every broker", SERVER, /id: 1 /, /id: 2 /, /id: 3 /)),
];

const moves: readonly ToolCheck[] = [
  {
    ...check("reassign", `${PLAN} --execute --throttle 50000000`, /Successfully started partition reassignments/),
    file: MOVES,
  },
  check("reassignments under way, from controllers", `${CONTROLLER} --list`),
  {
    ...check(
      "reassignments are complete",
      `${PLAN} --verify`,
      /moved-0 is completed/,
      /moved-1 is completed/,
      /moved-2 is completed/,
      /Clearing topic-level throttles/,
    ),
    file: MOVES,
  },
].map(made => by(REASSIGN, made));

const after: readonly ToolCheck[] = [
  by(
    "TopicCommand",
    check(
      "replicas after that",
      `${SERVER} --describe --topic moved`,
      /Partition: 0.*Replicas: 3,1\s/,
      /Replicas: 1,2,3/,
    ),
  ),
  by(
    "LeaderElectionCommand",
    check(
      "elect the preferred leaders",
      `${SERVER} --election-type preferred --all-topic-partitions`,
      /completed leader election|Valid replica already elected/,
    ),
  ),
  by(
    "TopicCommand",
    check(
      "leaders after that",
      `${SERVER} --describe --topic moved`,
      /Partition: 0\s+Leader: 3/,
      /Partition: 2\s+Leader: 2/,
    ),
  ),
  by("ReplicaVerificationTool", {
    ...check(
      "replicas have the same records",
      "--broker-list {server} --topics-include moved --report-interval-ms 1000",
      /max lag is 0 for partition moved-\d at offset \d+ among 3 partitions/,
    ),
    hides: [/doesn't match|checksum/i],
    endless: true,
  }),
  by(
    "org.apache.kafka.shell.MetadataShell",
    check(
      "the metadata shell follows the controllers' log",
      "--snapshot {directory}/__cluster_metadata-0/00000000000000000000.log ls /image/cluster/controllers",
      /1[\s\S]*2[\s\S]*3/,
    ),
  ),
  by(
    "DumpLogSegments",
    check(
      "every record of the metadata log is Kafka's",
      "--cluster-metadata-decoder --skip-record-metadata --files {directory}/__cluster_metadata-0/00000000000000000000.log",
      /REGISTER_CONTROLLER_RECORD/,
      /PARTITION_CHANGE_RECORD/,
    ),
  ),
];

/** Kafka's tools for clusters. */
export const CLUSTER_TOOLS: Tool = {
  name: "cluster: Kafka's tools",
  main: `${TOOLS}.TopicCommand`,
  common: [],
  checks: [...topics, ...quorum, ...cluster, ...moves, ...after, ...features],
};
