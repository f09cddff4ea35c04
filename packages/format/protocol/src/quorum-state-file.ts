/** The `quorum-state` file (JSON, one line), as written by `FileQuorumStateStore`. */
import { MalformedError, parseUuid } from "@samsa/base";
import { quorumStateData, type QuorumStateData } from "./internal-records/quorum-state.ts";
import { presentAt } from "./codec/schema.ts";

/** Contents of the file. */
export interface VersionedQuorumState {
  /** Same number as the kraft.version: 0 or 1. */
  readonly version: number;
  readonly state: QuorumStateData;
}

/** Text of the file. */
export function formatQuorumState({ version, state }: VersionedQuorumState): string {
  const json: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(quorumStateData.fields)) {
    if (presentAt(field, version)) json[name] = state[name as keyof QuorumStateData];
  }
  json.data_version = version;
  return JSON.stringify(json);
}

/** Parses the file. Throws `MalformedError` if it is not a quorum state of version 0 or 1. */
export function parseQuorumState(text: string): VersionedQuorumState {
  const json = parsed(text);
  const version = json.data_version;
  if (version !== 0 && version !== 1) throw new MalformedError("quorum-state: data_version is neither 0 nor 1");
  const integer = (name: string) => {
    const value = json[name];
    if (!Number.isSafeInteger(value)) throw new MalformedError(`quorum-state: ${name} is not an integer`);
    return value as number;
  };
  const common = { leaderId: integer("leaderId"), leaderEpoch: integer("leaderEpoch"), votedId: integer("votedId") };
  if (version === 1) {
    const { votedDirectoryId: id } = json;
    const votedDirectoryId = typeof id === "string" ? parseUuid(id) : undefined;
    if (votedDirectoryId === undefined) throw new MalformedError("quorum-state: votedDirectoryId is not an id");
    return { version, state: quorumStateData.defaults({ ...common, votedDirectoryId }) };
  }
  const clusterId = typeof json.clusterId === "string" ? json.clusterId : "";
  const state = { ...common, clusterId, appliedOffset: integer("appliedOffset"), currentVoters: voters(json) };
  return { version, state: quorumStateData.defaults(state) };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new MalformedError("quorum-state is not JSON");
  }
  if (typeof json !== "object" || json === null) throw new MalformedError("quorum-state is not a JSON object");
  return json as Record<string, unknown>;
}

function voters(json: Readonly<Record<string, unknown>>): { voterId: number }[] | null {
  if (json.currentVoters === null) return null;
  if (!Array.isArray(json.currentVoters)) throw new MalformedError("quorum-state: currentVoters is not a list");
  return json.currentVoters.map((voter: unknown) => {
    const id = typeof voter === "object" && voter !== null && "voterId" in voter ? voter.voterId : undefined;
    if (typeof id !== "number" || !Number.isSafeInteger(id))
      throw new MalformedError("quorum-state: a voter has no id");
    return { voterId: id };
  });
}
