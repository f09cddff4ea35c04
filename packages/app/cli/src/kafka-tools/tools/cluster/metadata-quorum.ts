import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BrokerId, nearestNumber, parseProperties, parseUuid, type Uuid, ZERO_UUID } from "@samsa/base";
import type { Admin, DescribedQuorum, QuorumReplica, VoterListener } from "@samsa/client-runtime";
import type { Arguments, ArgumentTable } from "../../flags/argparse.ts";
import { ToolError } from "../../java/exits.ts";
import { parseInteger } from "../../java/text.ts";
import { argTool, BOOTSTRAP, COMMAND_CONFIG, printPretty, serversOf } from "../../runner/arg-tool.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";

const TABLE: ArgumentTable = {
  description: "Shows and changes the quorum of controllers.",
  arguments: [...BOOTSTRAP, COMMAND_CONFIG],
  requiredGroups: ["bootstrap"],
  commands: {
    describe: {
      description: "Show the quorum.",
      arguments: [
        { names: ["--status"], action: "true", help: "Show its state." },
        { names: ["--replication"], action: "true", help: "Show its replicas." },
        { names: ["--human-readable"], action: "true", help: "Show how long ago times are." },
      ],
    },
    "add-controller": {
      description: "Make the controller of the configuration file a voter.",
      arguments: [{ names: ["--dry-run"], action: "true", help: "Only print what would be done." }],
    },
    "remove-controller": {
      description: "Take the vote of a controller.",
      arguments: [
        {
          names: ["--controller-id", "-i"],
          action: "store",
          type: "int",
          isRequired: true,
          help: "Id of the controller.",
        },
        {
          names: ["--controller-directory-id", "-d"],
          action: "store",
          isRequired: true,
          help: "Id of its metadata directory.",
        },
        { names: ["--dry-run"], action: "true", help: "Only print what would be done." },
      ],
    },
  },
};

function leaderOf({ voters, leaderId }: DescribedQuorum): QuorumReplica {
  const leader = voters.find(({ id }) => id === leaderId);
  if (leader === undefined) throw new ToolError("No value present", "java.util.NoSuchElementException");
  return leader;
}

function timeText(at: number, isHuman: boolean, what: string): string {
  if (at < 0) return "-1";
  if (!isHuman) return String(at);
  const now = Date.now();
  if (at > now || at === 0) {
    throw new ToolError(
      `Error while computing relative time, possible drift in system clock.\nCurrent timestamp is ${now}, ${what} timestamp is ${at}`,
    );
  }
  return `${now - at} ms ago`;
}

function replication(quorum: DescribedQuorum, isHuman: boolean): void {
  const leader = leaderOf(quorum);
  const row = (replica: QuorumReplica, status: string): string[] => [
    String(replica.id),
    ...[replica.directoryId, String(replica.logEndOffset), String(leader.logEndOffset - replica.logEndOffset)],
    timeText(nearestNumber(replica.lastFetchTimestamp), isHuman, "last fetch"),
    timeText(nearestNumber(replica.lastCaughtUpTimestamp), isHuman, "last caught up"),
    status,
  ];
  printPretty(
    ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"],
    [
      row(leader, "Leader"),
      ...quorum.voters.filter(({ id }) => id !== leader.id).map(replica => row(replica, "Follower")),
      ...quorum.observers.map(replica => row(replica, "Observer")),
    ],
  );
}

function replicasText(replicas: readonly QuorumReplica[], { endpoints }: DescribedQuorum): string {
  const texts = replicas.map(({ id, directoryId }) => {
    const directory = directoryId === ZERO_UUID ? "" : `, "directoryId": "${directoryId}"`;
    const listeners = endpoints.get(id) ?? [];
    const list = listeners.map(({ name, host, port }) => `"${name}://${host}:${port}"`).join(", ");
    return `{"id": ${id}${directory}${listeners.length === 0 ? "" : `, "endpoints": [${list}]`}}`;
  });
  return `[${texts.join(", ")}]`;
}

async function status(admin: Admin): Promise<void> {
  const { clusterId } = await admin.cluster.describe();
  const quorum = await admin.cluster.describeQuorum();
  const leader = leaderOf(quorum);
  const last = quorum.voters.reduce((a, b) => (b.logEndOffset < a.logEndOffset ? b : a), leader);
  const first = quorum.voters.find(({ logEndOffset }) => logEndOffset === last.logEndOffset) ?? leader;
  const [theirs, ours] = [nearestNumber(first.lastCaughtUpTimestamp), nearestNumber(leader.lastCaughtUpTimestamp)];
  const lagMs = first.id === leader.id ? 0 : theirs < 0 || ours < 0 ? -1 : ours - theirs;
  console.log(`ClusterId:              ${clusterId}`);
  console.log(`LeaderId:               ${quorum.leaderId}`);
  console.log(`LeaderEpoch:            ${quorum.leaderEpoch}`);
  console.log(`HighWatermark:          ${quorum.highWatermark}`);
  console.log(`MaxFollowerLag:         ${leader.logEndOffset - first.logEndOffset}`);
  console.log(`MaxFollowerLagTimeMs:   ${lagMs}`);
  console.log(`CurrentVoters:          ${replicasText(quorum.voters, quorum)}`);
  console.log(`CurrentObservers:       ${replicasText(quorum.observers, quorum)}`);
}

async function describe(admin: Admin, args: Arguments): Promise<void> {
  const [isStatus, isReplication, isHuman] = [
    args.isTrue("status"),
    args.isTrue("replication"),
    args.isTrue("human-readable"),
  ];
  if (isStatus && isReplication) {
    throw new ToolError("Only one of --status or --replication should be specified with describe sub-command");
  }
  if (isReplication) return replication(await admin.cluster.describeQuorum(), isHuman);
  if (!isStatus) throw new ToolError("One of --status or --replication must be specified with describe sub-command");
  if (isHuman) throw new ToolError("The option --human-readable is only supported along with --replication");
  await status(admin);
}

const IS_IT = "Is this a valid controller configuration file?";

function controllerId(properties: ReadonlyMap<string, string>): BrokerId {
  const text = properties.get("node.id");
  if (text === undefined) throw new ToolError(`node.id not found in configuration file. ${IS_IT}`);
  const id = parseInteger(text);
  if (id === undefined) throw new ToolError(`For input string: "${text}"`, "java.lang.NumberFormatException");
  if (id < 0) throw new ToolError(`node.id was negative in configuration file. ${IS_IT}`);
  if (!(properties.get("process.roles") ?? "").includes("controller")) {
    throw new ToolError(`process.roles did not contain 'controller' in configuration file. ${IS_IT}`);
  }
  return id;
}

function directoryId(properties: ReadonlyMap<string, string>): Uuid {
  const directory = properties.get("metadata.log.dir") ?? properties.get("log.dirs")?.trim().split(",")[0];
  if (directory === undefined) throw new ToolError(`Neither metadata.log.dir nor log.dirs were found. ${IS_IT}`);
  const file = join(directory, "meta.properties");
  if (!existsSync(file)) throw new ToolError(`Unable to read meta.properties from ${directory}`);
  const id = parseUuid(parseProperties(readFileSync(file, "latin1")).get("directory.id") ?? "");
  if (id === undefined) throw new ToolError(`No directory id found in ${directory}`);
  return id;
}

/** Listeners of the controller that its settings name; advertised ones come before. */
function listenersOf(properties: ReadonlyMap<string, string>): VoterListener[] {
  const listeners = new Map<string, VoterListener>();
  for (const setting of ["listeners", "advertised.listeners"]) {
    for (const text of (properties.get(setting) ?? "").split(",")) {
      const found = /^\s*(\w[\w.-]*):\/\/(?:\[([^\]]*)\]|([^:]*)):(\d+)\s*$/.exec(text);
      if (found === null) continue;
      const [, name = "", address = "", host = "", port] = found;
      const place = address === "" ? host : address;
      listeners.set(name.toUpperCase(), { name, host: place === "" ? "localhost" : place, port: Number(port) });
    }
  }
  const names = properties.get("controller.listener.names");
  if (names === undefined) throw new ToolError(`controller.listener.names was not found. ${IS_IT}`);
  return names.split(",").map(text => {
    const name = text.trim().toUpperCase();
    const listener = listeners.get(name);
    if (listener === undefined) {
      throw new ToolError(`Cannot find information about controller listener name: ${name}`);
    }
    return listener;
  });
}

async function addController(admin: Admin, properties: ReadonlyMap<string, string>, isDry: boolean): Promise<void> {
  const id = controllerId(properties);
  const voter = { id, directoryId: directoryId(properties), listeners: listenersOf(properties) };
  if (!isDry) await admin.cluster.addVoter(voter);
  const endpoints = voter.listeners.map(({ name, host, port }) => {
    return `${name}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  });
  console.log(
    `${isDry ? "DRY RUN of adding" : "Added"} controller ${id} with directory id ${voter.directoryId} and endpoints: ${endpoints.join(", ")}`,
  );
}

async function removeController(admin: Admin, args: Arguments): Promise<void> {
  const id = args.number("controller-id") ?? -1;
  if (id < 0) throw new ToolError(`Invalid negative --controller-id: ${id}`);
  const text = args.text("controller-directory-id") ?? "";
  const directory = parseUuid(text);
  if (directory === undefined) {
    throw new ToolError(`Failed to parse --controller-directory-id: "${text}" is no id of a directory`);
  }
  const isDry = args.isTrue("dry-run");
  if (!isDry) await admin.cluster.removeVoter({ id, directoryId: directory });
  console.log(`${isDry ? "DRY RUN of removing " : "Removed "}KRaft controller ${id} with directory id ${directory}`);
}

/** kafka-metadata-quorum (`MetadataQuorumCommand`). */
export const kafkaMetadataQuorum = argTool({
  prog: "kafka-metadata-quorum",
  table: TABLE,
  run: async args => {
    const file = args.text("command-config");
    if (file !== undefined && !existsSync(file)) throw new ToolError(`Properties file ${file} does not exist.`);
    const ofController = args.command === "add-controller" && file !== undefined;
    const properties = loadProperties(file);
    // A controller's file has settings that clients do not know.
    const own = ofController ? new Map<string, string>() : properties;
    await withAdmin(serversOf(args), own, async admin => {
      if (args.command === "describe") await describe(admin, args);
      else if (args.command === "remove-controller") await removeController(admin, args);
      else if (file === undefined) {
        throw new ToolError(
          "You must supply the configuration file of the controller you are adding when using add-controller.",
        );
      } else await addController(admin, properties, args.isTrue("dry-run"));
    });
    return 0;
  },
});
