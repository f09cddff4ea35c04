import { entryAt, isReservedDirectory, parseUuid, splitList, type Uuid } from "@samsa/base";
import { KRAFT_FEATURE } from "@samsa/metadata";
import type { VoterDescription } from "@samsa/records";
import type { BrokerConfig } from "./config/configs.ts";
import { parseEndpoint } from "./config/listeners.ts";

/** Error of a directory that cannot be formatted or described; the message states the reason in one sentence. */
export class StorageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "StorageError";
  }
}

/** Initial quorum of a new cluster, as the flags of `kafka-storage format` choose it. */
export type FirstQuorum =
  | { readonly kind: "standalone" }
  | { readonly kind: "none" }
  /** Comma-separated list of `id@host:port:directory`. */
  | { readonly kind: "voters"; readonly voters: string };

type QuorumConfig = Pick<
  BrokerConfig,
  | "controller.listener.names"
  | "controller.quorum.voters"
  | "advertised.listeners"
  | "listeners"
  | "node.id"
  | "process.roles"
>;

/**
 * Voters of a new cluster by the flags and settings of a node (`StorageTool`, `Formatter`); undefined if the node does
 * not know them: `controller.quorum.voters` lists them, it joins a quorum, or it is no controller. Throws
 * `StorageError` and `ConfigError`.
 */
export function firstVoters(
  config: QuorumConfig,
  quorum: FirstQuorum | undefined,
  newId: () => Uuid,
): readonly VoterDescription[] | undefined {
  const isStatic = config["controller.quorum.voters"].length > 0;
  const isController = config["process.roles"].includes("controller");
  if (isStatic && quorum !== undefined && quorum.kind !== "none") {
    throw new StorageError(
      "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. " +
        "To use a dynamic quorum, remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.",
    );
  }
  if (!isStatic && isController && quorum === undefined) {
    throw new StorageError(
      "Because controller.quorum.voters is not set on this controller, you must specify one of the following: " +
        "--standalone, --initial-controllers, or --no-initial-controllers.",
    );
  }
  switch (quorum?.kind) {
    case "standalone":
      return [standalone(config, newId)];
    case "voters":
      return parseVoters(quorum.voters, listenerName(config));
    default:
      return undefined;
  }
}

function listenerName(config: Pick<QuorumConfig, "controller.listener.names">): string {
  return entryAt(config["controller.listener.names"], 0).toUpperCase();
}

function describe(id: number, directoryId: Uuid, endpoints: VoterDescription["endpoints"]): VoterDescription {
  return { id, directoryId, endpoints, minKraftVersion: 0, maxKraftVersion: KRAFT_FEATURE.max };
}

/** This node as the only voter. In contrast to Kafka, a node with both roles needs no controller listener. */
function standalone(config: QuorumConfig, newId: () => Uuid): VoterDescription {
  if (!config["process.roles"].includes("controller")) {
    throw new StorageError("You can only use --standalone on a controller.");
  }
  const name = listenerName(config);
  const endpointIn = (setting: "listeners" | "advertised.listeners") =>
    (config[setting] ?? []).map(text => parseEndpoint(setting, text)).find(endpoint => endpoint.name === name);
  const own = endpointIn("advertised.listeners") ?? endpointIn("listeners");
  const endpoints = own === undefined ? [] : [{ ...own, host: own.host === "" ? "localhost" : own.host }];
  return describe(config["node.id"], newId(), endpoints);
}

const VOTER = /^(\d{1,10})@(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5}):([A-Za-z0-9_-]{22})$/;
const MOST_ID = 2 ** 31 - 1;

/** Parses `--initial-controllers` (`DynamicVoters`), in the order of the ids. */
function parseVoters(text: string, name: string): VoterDescription[] {
  const parts = splitList(text);
  if (parts.length === 0) throw new StorageError("No voters given.");
  const voters = new Map<number, VoterDescription>();
  for (const part of parts) {
    const voter = parseVoter(part, name);
    if (voters.has(voter.id)) throw new StorageError(`Node id ${voter.id} was specified more than once.`);
    voters.set(voter.id, voter);
  }
  return [...voters.values()].sort((a, b) => a.id - b.id);
}

function parseVoter(text: string, name: string): VoterDescription {
  const match = VOTER.exec(text);
  const directoryId = parseUuid(match?.[5] ?? "");
  const [id, port] = [Number(match?.[1]), Number(match?.[4])];
  if (match === null || directoryId === undefined || id > MOST_ID || port > 65535) {
    throw new StorageError(`"${text}" is not a voter: expected id@host:port:directory.`);
  }
  // No controller registers a broker with such a directory.
  if (isReservedDirectory(directoryId)) throw new StorageError(`The directory ID ${directoryId} is reserved.`);
  return describe(id, directoryId, [{ name, host: match[2] ?? entryAt(match, 3), port }]);
}
