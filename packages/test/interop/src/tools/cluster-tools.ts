/** Checks of Kafka's tools for clusters of three brokers. They run in order. */
import { check, type Tool, type ToolCheck, TOOLS } from "./tool-check.ts";

const SERVER = "--bootstrap-server {server}";
const CONTROLLER = "--bootstrap-controller {controllers}";

function by(main: string, made: ToolCheck): ToolCheck {
  return { ...made, main: main.startsWith("org.") ? main : `${TOOLS}.${main}` };
}

const REASSIGN = "reassign.ReassignPartitionsCommand";
const PLAN = `${SERVER} --reassignment-json-file {file}`;
const LOG = "{directory}/__cluster_metadata-0/00000000000000000000.log";

/** Ids of three brokers, in increasing order. */
export type Three = readonly [number, number, number];

/** Nodes of a cluster that the checks name. */
export interface Members {
  readonly brokers: Three;
  readonly controllers: readonly number[];
  readonly voters: "fixed" | "changing";
}

/** Pattern of lines that begin with ids, one line for each. */
const lines = (ids: readonly number[], rest: string): RegExp[] => ids.map(id => new RegExp(`^${id} .*${rest}`, "m"));

function quorum({ controllers }: Members): ToolCheck[] {
  const voter = controllers[0];
  return [
    check(
      "status of the quorum, from brokers",
      `${SERVER} describe --status`,
      new RegExp(`CurrentVoters:.*"id": ${voter}`),
    ),
    check("status of the quorum, from controllers", `${CONTROLLER} describe --status`, /LeaderId:\s+\d/),
    check(
      "replicas of the metadata log",
      `${SERVER} describe --replication`,
      /Leader\s*$/m,
      /(?:Follower|Observer)\s*$/m,
    ),
    check("replicas of it, from controllers", `${CONTROLLER} describe --replication`, /Leader\s*$/m),
  ].map(made => by("MetadataQuorumCommand", made));
}

function cluster({ brokers, controllers }: Members): ToolCheck[] {
  return [
    check("id of the cluster, from brokers", `cluster-id ${SERVER}`, /Cluster ID: \S{22}/),
    check("id of the cluster, from controllers", `cluster-id ${CONTROLLER}`, /Cluster ID: \S{22}/),
    check("brokers", `list-endpoints ${SERVER}`, ...lines(brokers, "unfenced")),
    check("controllers", `list-endpoints ${CONTROLLER}`, ...lines(controllers, "controller")),
  ].map(made => by("ClusterTool", made));
}

function features({ voters }: Members): ToolCheck[] {
  const isFixed = voters === "fixed";
  const level = (value: number): RegExp => new RegExp(`kraft\\.version.*FinalizedVersionLevel: ${value}`);
  const upgrade = `${CONTROLLER} upgrade --feature kraft.version=1`;
  return [
    check("features, from controllers", `${CONTROLLER} describe`, level(isFixed ? 0 : 1)),
    check("lower a feature", `${SERVER} downgrade --feature transaction.version=1`, /was downgraded to 1/),
    check(
      "raise a feature, at controllers",
      `${CONTROLLER} upgrade --feature transaction.version=2`,
      /was upgraded to 2/,
    ),
    ...(isFixed ? [check("let voters change", upgrade, /kraft\.version was upgraded to 1/)] : []),
    check("features after that", `${SERVER} describe`, level(1)),
  ].map(made => by("FeatureCommand", made));
}

function topics({ brokers: [a, b, c] }: Members): ToolCheck[] {
  const assignment = `${a}:${b},${b}:${c},${c}:${a}`;
  return [
    by(
      "TopicCommand",
      check(
        "create a topic",
        `${SERVER} --create --topic moved --replica-assignment ${assignment}`,
        /Created topic moved/,
      ),
    ),
    by("VerifiableProducer", check("produce", `${SERVER} --topic moved --max-messages 3000 --acks -1`, /"acked":3000/)),
    by("LogDirsCommand", {
      ...check(
        "directories of all brokers",
        `${SERVER} --describe --topic-list moved`,
        new RegExp(`brokers ${a},${b},${c}`),
        /"offsetLag":0/,
      ),
      hides: [/"offsetLag":-1/],
    }),
    by("TopicCommand", {
      ...check("no partition is under-replicated", `${SERVER} --describe --under-replicated-partitions`),
      hides: [/Topic:/],
    }),
    by(
      "BrokerApiVersionsCommand",
      check("versions of every broker", SERVER, ...[a, b, c].map(id => new RegExp(`id: ${id} `))),
    ),
  ];
}

function moves({ brokers: [a, b, c] }: Members): ToolCheck[] {
  const replicas = [
    [c, a],
    [a, b, c],
    [b, c],
  ];
  const partitions = replicas.map((to, partition) => ({ topic: "moved", partition, replicas: to }));
  const file = JSON.stringify({ version: 1, partitions });
  return [
    {
      ...check("reassign", `${PLAN} --execute --throttle 50000000`, /Successfully started partition reassignments/),
      file,
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
      file,
    },
  ].map(made => by(REASSIGN, made));
}

function after({ brokers: [a, b, c] }: Members): ToolCheck[] {
  return [
    by(
      "TopicCommand",
      check(
        "replicas after that",
        `${SERVER} --describe --topic moved`,
        new RegExp(`Partition: 0.*Replicas: ${c},${a}\\s`),
        new RegExp(`Replicas: ${a},${b},${c}`),
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
        new RegExp(`Partition: 0\\s+Leader: ${c}`),
        new RegExp(`Partition: 2\\s+Leader: ${b}`),
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
  ];
}

function metadata({ controllers }: Members): ToolCheck[] {
  const registered = controllers.map(id => new RegExp(`\\b${id}\\b`));
  const dump = "--cluster-metadata-decoder --files";
  const shell = "org.apache.kafka.shell.MetadataShell";
  // The shell answers from what it has loaded so far.
  const tries = 3;
  const faulty = [/CorruptRecord|is invalid|Exception/];
  return [
    by(shell, {
      ...check("the metadata shell follows the log", `--snapshot ${LOG} ls /image/cluster/controllers`, ...registered),
      hides: faulty,
      tries,
    }),
    by(shell, {
      ...check("it loads a snapshot", "--snapshot {snapshot} ls /image/topics/byName", /moved/),
      hides: faulty,
      tries,
    }),
    by("DumpLogSegments", {
      ...check(
        "every record of the metadata log is Kafka's",
        `${dump} ${LOG}`,
        /REGISTER_CONTROLLER_RECORD/,
        /PARTITION_CHANGE_RECORD/,
      ),
      hides: faulty,
    }),
    by("DumpLogSegments", {
      ...check(
        "and every record of a snapshot",
        `${dump} {snapshot}`,
        /SnapshotHeader/,
        /"type":"TOPIC_RECORD"/,
        /SnapshotFooter/,
      ),
      hides: faulty,
    }),
  ];
}

/** Kafka's tools for clusters. */
export function clusterTools(name: string, members: Members): Tool {
  return {
    name,
    main: `${TOOLS}.TopicCommand`,
    common: [],
    checks: [topics, quorum, cluster, moves, after, features, metadata].flatMap(checks => checks(members)),
  };
}
