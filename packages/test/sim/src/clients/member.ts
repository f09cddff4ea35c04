import { ByteWriter } from "@samsa/base";
import { consumerProtocolSubscription, Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, MOVING, type Stage } from "../stage/stage.ts";

/** Topic for which groups commit offsets; never deleted. */
export const GROUP_TOPIC = "plain";
/** Group with members, and a group that only has committed offsets. */
export const SHARED_GROUP = "readers";
export const IDLE_GROUP = "idlers";
/** Partitions for which groups commit offsets; they need not exist. */
export const SHARES: readonly number[] = [0, 1, 2];
const SESSION_MS = 400;
/** Rebalance timeout: shorter than a client waits for an answer. */
const REBALANCE_MS = 300;

const { code: UNKNOWN_MEMBER } = Errors.UNKNOWN_MEMBER_ID;
/** Errors after which a member rejoins. */
const REJOIN: ReadonlySet<number> = new Set([
  UNKNOWN_MEMBER,
  Errors.ILLEGAL_GENERATION.code,
  Errors.REBALANCE_IN_PROGRESS.code,
]);
const SOON: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_LOAD_IN_PROGRESS.code,
  Errors.COORDINATOR_NOT_AVAILABLE.code,
  Errors.NOT_COORDINATOR.code,
]);

/** Fetches the committed offsets of `SHARES`, in that order; undefined without an answer. */
export async function committedOffsets(client: Client, groupId: string): Promise<number[] | undefined> {
  const topics = [{ name: GROUP_TOPIC, partitionIndexes: [...SHARES] }];
  const answer = await client.ask(CALLS.offsetFetch, { groupId, topics });
  const found = answer?.topics[0]?.partitions ?? [];
  const isWhole = answer?.errorCode === 0 && found.length === SHARES.length;
  return isWhole && found.every(({ errorCode }) => errorCode === 0)
    ? found.map(({ committedOffset }) => Number(committedOffset))
    : undefined;
}

/** Parts of a `Stage` that members of groups need. */
export type GroupStage = Pick<Stage, "groups" | "holdings" | "life" | "powerCuts" | "note">;

/** Fetches the committed offsets of a group and checks them against the ledger. */
export async function readBack(stage: GroupStage, client: Client, group: string): Promise<void> {
  const began = stage.groups.begin();
  const offsets = await committedOffsets(client, group);
  SHARES.forEach((share, i) => {
    const offset = offsets?.[i];
    if (offset !== undefined) stage.groups.read(group, share, offset, began);
  });
}

interface Commit {
  readonly group: string;
  readonly generation: number;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly partitions: readonly number[];
}

/** Commits an increasing number as offset. Returns the error code, or undefined without an answer. */
async function commit(stage: GroupStage, client: Client, what: Commit): Promise<number | undefined> {
  const { groups, life } = stage;
  const { group, generation, memberId, instanceId } = what;
  const began = groups.begin();
  const attempts = what.partitions.map(partition => groups.attempted(group, partition, began));
  const partitions = what.partitions.map(partitionIndex => ({
    partitionIndex,
    committedOffset: began,
    committedMetadata: "",
  }));
  const answer = await client.ask(CALLS.offsetCommit, {
    groupId: group,
    generationIdOrMemberEpoch: generation,
    memberId,
    groupInstanceId: instanceId,
    topics: [{ name: GROUP_TOPIC, partitions }],
  });
  const code = answer?.topics[0]?.partitions[0]?.errorCode;
  const isRefused = code !== undefined && (REJOIN.has(code) || code === Errors.FENCED_INSTANCE_ID.code);
  for (const attempt of attempts) groups.ended(attempt, code === 0 ? "done" : isRefused ? "refused" : "unknown");
  if (code === 0) {
    stage.note(`committed ${began} to ${group}`);
    groups.accepted(group, { life, generation, began });
  } else if (code !== undefined && !isRefused && !SOON.has(code) && !MOVING.has(code)) {
    throw new Violation("a good request was refused", `error ${code} to a commit to ${group}`);
  }
  return code;
}

/** Options of `Member` and `Subscriber`. */
export interface MemberOptions {
  /** Group instance id of a static member (KIP-345); else null. */
  readonly instanceId: string | null;
}

/** Classic group member: joins, commits offsets for its assignment, leaves, dies and rejoins. */
export class Member implements Actor {
  readonly client: Client;
  readonly #stage: GroupStage;
  readonly #rng: Prng;
  readonly #instanceId: string | null;
  #memberId = "";
  generation = -1;
  shares: readonly number[] = [];
  /** Number of steps to stay silent. */
  #silent = 0;
  /** Neither leaves nor dies by itself. */
  steady = false;
  /** Send time of the last successful request, with the broker's life then. */
  #alive = { at: -Infinity, life: 0 };
  /** Latest generation that it was in. */
  #latest = -1;

  constructor(stage: GroupStage, client: Client, rng: Prng, { instanceId }: MemberOptions) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#instanceId = instanceId;
  }

  get silent(): boolean {
    return this.#silent > 0;
  }

  async step(): Promise<void> {
    if (this.#silent > 0) {
      this.#silent--;
      return;
    }
    if (this.generation < 0) return this.#join();
    const draw = this.#rng.next();
    if (draw < 0.4) return this.#heartbeat();
    if (draw < 0.7) return this.#commit();
    if (draw < 0.85) return readBack(this.#stage, this.client, SHARED_GROUP);
    if (this.steady) return;
    if (draw < 0.9) return this.#leave();
    if (draw < 0.95) this.die(this.#rng.int(1, 40));
  }

  /** Crashes: stays silent for some steps and loses its state. */
  die(steps: number): void {
    this.#silent = steps;
    this.#memberId = "";
    this.#out();
    this.client.disconnect();
  }

  #out(): void {
    this.generation = -1;
    this.shares = [];
    this.#alive = { at: -Infinity, life: 0 };
  }

  get #now(): number {
    return this.client.env.clock.monotonic();
  }

  async #join(): Promise<void> {
    const groupId = SHARED_GROUP;
    const coordinator = await this.client.ask(CALLS.findCoordinator, { key: groupId });
    if (coordinator?.errorCode !== 0) return;
    const metadata = new ByteWriter();
    metadata.i16(0);
    consumerProtocolSubscription.encode(metadata, { topics: [GROUP_TOPIC], userData: null }, 0);
    const asked = this.#now;
    const { life, groups } = this.#stage;
    const lowest = groups.lowest(groupId, life);
    const joined = await this.client.ask(CALLS.joinGroup, {
      groupId,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      memberId: this.#memberId,
      groupInstanceId: this.#instanceId,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: metadata.finish() }],
    });
    if (joined === undefined) return;
    const { errorCode, memberId, generationId, leader, members } = joined;
    if (errorCode === Errors.MEMBER_ID_REQUIRED.code) this.#memberId = memberId;
    else if (errorCode === UNKNOWN_MEMBER || errorCode === Errors.FENCED_INSTANCE_ID.code) this.#memberId = "";
    if (errorCode !== 0) return;
    this.#memberId = memberId;
    const leads = leader === memberId && members.length > 0;
    const identity = this.client.name;
    groups.joined(groupId, { life, generation: generationId, identity, leads, lowest });
    const instance = { memberId, groupInstanceId: this.#instanceId };
    if (generationId > 1 && this.#rng.chance(0.2)) await this.#commitLate(generationId - 1);
    const assignments = leads ? assign(members.map(member => member.memberId)) : [];
    const synced = await this.client.ask(CALLS.syncGroup, { groupId, generationId, ...instance, assignments });
    if (synced?.errorCode !== 0) return;
    this.generation = generationId;
    this.shares = [...synced.assignment];
    // The end of the join phase begins the session. A member that joins a generation again is told of it, no more.
    if (generationId > this.#latest) this.#alive = { at: asked, life };
    this.#latest = Math.max(this.#latest, generationId);
    this.#stage.note(`shares ${this.shares.join()} of generation ${generationId}`);
    this.#stage.groups.shared(groupId, generationId, identity, this.shares);
  }

  async #heartbeat(): Promise<void> {
    const sent = this.#now;
    const { life } = this.#stage;
    const answer = await this.client.ask(CALLS.heartbeat, {
      groupId: SHARED_GROUP,
      generationId: this.generation,
      memberId: this.#memberId,
      groupInstanceId: this.#instanceId,
    });
    if (answer === undefined || SOON.has(answer.errorCode)) return;
    if (answer.errorCode === 0) this.#alive = { at: sent, life };
    else this.#refused(answer.errorCode);
  }

  /** Handles an error. A member that sent a heartbeat within the session timeout must not be removed. */
  #refused(code: number): void {
    const { at, life } = this.#alive;
    const silence = this.#now - at;
    if (code === UNKNOWN_MEMBER && life === this.#stage.life && silence < Math.min(SESSION_MS, REBALANCE_MS)) {
      throw new Violation("a live member was thrown out", `${this.client.name}, ${silence} ms after it was heard of`);
    }
    // A power cut may have lost the member id that replaced an earlier one.
    const isFenced = code === Errors.FENCED_INSTANCE_ID.code && this.#stage.powerCuts > 0;
    if (!REJOIN.has(code) && !isFenced)
      throw new Violation("a good request was refused", `error ${code} to ${this.client.name}`);
    if (code === UNKNOWN_MEMBER || isFenced) this.#memberId = "";
    this.#out();
  }

  #commitOf(generation: number): Commit {
    const partitions = this.shares.length > 0 ? this.shares : SHARES.slice(0, 1);
    return { group: SHARED_GROUP, generation, memberId: this.#memberId, instanceId: this.#instanceId, partitions };
  }

  async #commit(): Promise<void> {
    if (this.shares.length === 0) return this.#heartbeat();
    const code = await commit(this.#stage, this.client, this.#commitOf(this.generation));
    const { code: fenced } = Errors.FENCED_INSTANCE_ID;
    if (code !== undefined && (REJOIN.has(code) || code === fenced)) this.#refused(code);
  }

  /** Commits with a generation that is over. */
  async #commitLate(generation: number): Promise<void> {
    await commit(this.#stage, this.client, this.#commitOf(generation));
  }

  async #leave(): Promise<void> {
    const identity = { memberId: this.#memberId, groupInstanceId: this.#instanceId };
    this.#out();
    this.#memberId = "";
    await this.client.ask(CALLS.leaveGroup, { groupId: SHARED_GROUP, members: [identity] });
  }
}

/** True if all members are in the newest generation and together own all partitions. */
export function agree(members: readonly Member[]): boolean {
  const generation = Math.max(...members.map(member => member.generation));
  const shares = members.flatMap(member => (member.generation === generation ? member.shares : []));
  return members.every(member => member.generation === generation) && shares.length === SHARES.length;
}

/** Assigns partitions to members in turn. */
function assign(memberIds: readonly string[]): { memberId: string; assignment: Uint8Array }[] {
  return memberIds.map((memberId, i) => ({
    memberId,
    assignment: Uint8Array.from(SHARES.filter(partition => partition % memberIds.length === i)),
  }));
}

/** Commits and deletes offsets of a group without members. */
export class Keeper implements Actor {
  readonly client: Client;
  readonly #stage: GroupStage;
  readonly #rng: Prng;

  constructor(stage: GroupStage, client: Client, rng: Prng) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    const draw = rng.next();
    const partitions = SHARES.filter(() => rng.chance(0.6));
    if (draw < 0.3) return readBack(this.#stage, this.client, IDLE_GROUP);
    if (draw < 0.75) {
      if (partitions.length === 0) return;
      const nobody = { generation: -1, memberId: "", instanceId: null };
      await commit(this.#stage, this.client, { group: IDLE_GROUP, ...nobody, partitions });
    } else if (draw < 0.9) await this.#deleteOffsets(partitions);
    else await this.#deleteGroup();
  }

  async #deleting(partitions: readonly number[], ask: () => Promise<number | undefined>): Promise<void> {
    const { groups } = this.#stage;
    const attempts = partitions.map(partition => groups.attempted(IDLE_GROUP, partition, -1));
    const code = await ask();
    const isUnknown = code === Errors.GROUP_ID_NOT_FOUND.code;
    for (const attempt of attempts) groups.ended(attempt, code === 0 ? "done" : isUnknown ? "refused" : "unknown");
    if (code !== undefined && code !== 0 && !isUnknown && !SOON.has(code)) {
      throw new Violation("a good request was refused", `error ${code} to a deletion of offsets`);
    }
  }

  #deleteOffsets(partitions: readonly number[]): Promise<void> {
    return this.#deleting(partitions, async () => {
      const topics = [{ name: GROUP_TOPIC, partitions: partitions.map(partitionIndex => ({ partitionIndex })) }];
      const answer = await this.client.ask(CALLS.offsetDelete, { groupId: IDLE_GROUP, topics });
      return answer?.errorCode;
    });
  }

  #deleteGroup(): Promise<void> {
    return this.#deleting(SHARES, async () => {
      const answer = await this.client.ask(CALLS.deleteGroups, { groupsNames: [IDLE_GROUP] });
      return answer?.results[0]?.errorCode;
    });
  }
}
