export interface ModelConfig {
  readonly initialDelay: number;
  readonly maxSize: number;
  readonly retention: number;
}

export interface Protocol {
  readonly name: string;
  readonly metadata: string;
}

export interface JoinInput {
  readonly version: number;
  readonly memberId: string;
  readonly instance: string | null;
  readonly clientId: string;
  readonly session: number;
  readonly rebalance: number;
  readonly protocolType: string;
  readonly protocols: readonly Protocol[];
}

export interface SyncInput {
  readonly memberId: string;
  readonly instance: string | null;
  readonly generation: number;
  readonly protocolName: string | null;
  readonly assignments: ReadonlyMap<string, string>;
}

export interface Identity {
  readonly memberId: string;
  readonly instance: string | null;
}

/** The part of a reply that is compared. */
export type ModelReply = Readonly<Record<string, unknown>>;

export interface ModelMember {
  readonly id: string;
  readonly instance: string | null;
  readonly clientId: string;
  rebalance: number;
  session: number;
  protocols: readonly Protocol[];
  assignment: string;
  awaitingJoin: number | undefined;
  awaitingSync: number | undefined;
  isNew: boolean;
}

export type State = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable";

/** Fields of a record that are compared; null: a tombstone. */
export type ModelRecord =
  | { readonly of: "offset"; readonly value: { readonly offset: number; readonly timestamp: number } | null }
  | {
      readonly of: "group";
      readonly value: {
        readonly generation: number;
        readonly protocolType: string;
        readonly protocol: string | null;
        readonly leader: string | null;
        readonly timestamp: number;
        readonly members: readonly (readonly [id: string, client: string, timeouts: string, bytes: string])[];
      } | null;
    };

export class ModelGroup {
  state: State = "Empty";
  previousState: State | "Dead" = "Dead";
  timestamp: number;
  generation = 0;
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  members = new Map<string, ModelMember>();
  staticMembers = new Map<string, string>();
  pendingJoin = new Set<string>();
  pendingSync = new Set<string>();
  newMemberAdded = false;

  constructor(timestamp: number) {
    this.timestamp = timestamp;
  }

  transition(state: State, wall: number): void {
    this.previousState = this.state;
    this.state = state;
    this.timestamp = wall;
  }

  add(member: ModelMember, protocolType: string): void {
    if (member.instance !== null) this.staticMembers.set(member.instance, member.id);
    if (this.members.size === 0) this.protocolType = protocolType;
    if (this.leaderId === null) this.leaderId = member.id;
    this.members.set(member.id, member);
    this.pendingJoin.delete(member.id);
  }

  remove(id: string): void {
    const member = this.members.get(id);
    this.members.delete(id);
    if (member !== undefined && member.instance !== null) this.staticMembers.delete(member.instance);
    if (this.leaderId === id) this.leaderId = [...this.members.keys()][0] ?? null;
    this.pendingJoin.delete(id);
    this.pendingSync.delete(id);
  }

  supported(name: string): number {
    return [...this.members.values()].filter(({ protocols }) => protocols.some(it => it.name === name)).length;
  }

  supportsProtocols(type: string, protocols: readonly Protocol[]): boolean {
    if (this.state === "Empty") return type !== "" && protocols.length > 0;
    return this.protocolType === type && protocols.some(({ name }) => this.supported(name) === this.members.size);
  }

  selectProtocol(): string {
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => this.supported(name) === this.members.size)?.name ?? "";
      votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    const most = Math.max(...votes.values());
    // "sticky" comes before "range" in a Java `HashMap`.
    return [...votes].sort(([a], [b]) => (a < b ? 1 : -1)).find(([, count]) => count === most)?.[0] ?? "";
  }

  get awaitingJoin(): number {
    return [...this.members.values()].filter(member => member.awaitingJoin !== undefined).length;
  }

  hasAllMembersJoined(): boolean {
    return this.members.size === this.awaitingJoin && this.pendingJoin.size === 0;
  }

  rebalanceTimeout(): number {
    return Math.max(0, ...[...this.members.values()].map(({ rebalance }) => rebalance));
  }
}
