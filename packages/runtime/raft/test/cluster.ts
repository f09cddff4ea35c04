import {
  BufferPool,
  ByteReader,
  type Connection,
  type ConnectionHandler,
  DiskError,
  ignored,
  randomUuid,
} from "@samsa/base";
import type { Provenance } from "@samsa/metadata";
import {
  apiOf,
  Apis,
  APIS,
  FrameSplitter,
  metadataRecord,
  type MetadataRecord,
  requestHeader,
  requestHeaderVersion,
  responseFrame,
} from "@samsa/protocol";
import type { VoterEndpoint } from "@samsa/records";
import { type CrashOptions, World, type WorldOptions } from "@samsa/sim";
import { type LogDir, openLogDir } from "@samsa/storage";
import {
  metadataLogConfig,
  type QuorumSettings,
  type RaftApi,
  RaftClient,
  type RaftClientOptions,
  type RaftListener,
} from "../src/index.ts";
import { SETTINGS } from "./settings.ts";

const PORT = 9093;
/** Directory of a node that has never started. */
const DIRECTORY = randomUuid(length => new Uint8Array(length).fill(9));
const CONFIG = metadataLogConfig({ segmentBytes: 2000, segmentMs: 1e12 });
const SERVED = [
  ...["Vote", "BeginQuorumEpoch", "EndQuorumEpoch", "Fetch", "FetchSnapshot", "DescribeQuorum"],
  ...["AddRaftVoter", "RemoveRaftVoter", "UpdateRaftVoter"],
];
const FEATURES = [{ name: "kraft.version", minVersion: 0, maxVersion: 1 }];
const RANGES = APIS.filter(({ name }) => [...SERVED, "ApiVersions"].includes(name)).map(
  ({ key, first, lastStable }) => ({
    apiKey: key,
    minVersion: first,
    maxVersion: lastStable,
  }),
);

/** Record with a number. */
export function numbered(value: number): MetadataRecord {
  return metadataRecord("ConfigRecord", 0, {
    resourceType: 2,
    resourceName: "t",
    name: String(value),
    value: "x".repeat(40),
  });
}

function numbersOf(records: readonly MetadataRecord[]): number[] {
  return records.flatMap(({ type, value }) =>
    type === "ConfigRecord" ? [Number((value as { name: string }).name)] : [],
  );
}

/** A node of the quorum, over its lives. */
export interface Replica {
  readonly id: number;
  readonly name: string;
  client: RaftClient | undefined;
  dir: LogDir | undefined;
  /** Numbers that were replayed in this life. */
  numbers: number[];
  last: Provenance;
  /** Epoch that the listener was told to lead. */
  leads: number | undefined;
  failure: Error | undefined;
  snapshotting: boolean;
  /** Its log directory. */
  path: string;
  /** Endpoints with which it starts. */
  endpoints: VoterEndpoint[];
}

export interface QuorumOptions {
  /** Nodes with the role of a controller. */
  readonly voters: number;
  /** True if the first node is the only voter at first, and voters may change; else they are static. */
  readonly isDynamic?: boolean;
  readonly observers?: number;
  readonly settings?: Partial<QuorumSettings>;
  readonly retention?: RaftClientOptions["retention"];
  readonly world?: WorldOptions;
  /** Overrides the options of a replica. */
  readonly each?: (id: number) => Partial<RaftClientOptions>;
}

/** Replicas on simulated disks and a simulated network; every replay is compared with those of the others. */
export class TestQuorum {
  readonly world: World;
  readonly replicas: Replica[];
  /** Numbers that some replica knows to be committed. */
  readonly committed: number[] = [];
  readonly #options: QuorumOptions;
  readonly #leaders = new Map<number, number>();
  /** Changes what a node answers to a request; undefined: sends nothing. */
  tamper: (api: string, response: object, from: Replica) => object | undefined = (_, response) => response;
  next = 0;
  /** Changes of the voters that were answered without an error. */
  changes = 0;

  constructor(seed: number | string, options: QuorumOptions) {
    this.#options = options;
    this.world = new World(seed, options.world);
    this.replicas = Array.from({ length: options.voters + (options.observers ?? 0) }, (_, index) => ({
      id: index + 1,
      name: `n${index + 1}`,
      client: undefined,
      dir: undefined,
      numbers: [],
      last: { offset: -1, epoch: 0, timestamp: 0 },
      leads: undefined,
      failure: undefined,
      snapshotting: false,
      path: "/data",
      endpoints: [{ name: "CONTROLLER", host: `n${index + 1}`, port: PORT }],
    }));
    if (options.isDynamic !== true) for (const replica of this.replicas) this.start(replica);
  }

  get voters() {
    return this.replicas.slice(0, this.#options.voters).map(({ id, name }) => ({ id, host: name, port: PORT }));
  }

  /** The replica whose listener leads the latest epoch. */
  get leader(): Replica | undefined {
    const leading = this.replicas.filter(({ client, leads }) => client?.isLeader === true && leads !== undefined);
    return leading.toSorted((a, b) => (b.leads ?? 0) - (a.leads ?? 0))[0];
  }

  start(replica: Replica): void {
    if (replica.client !== undefined) return;
    const { env } = this.world.node(replica.name);
    Object.assign(replica, { numbers: [], leads: undefined, last: { offset: -1, epoch: 0, timestamp: 0 } });
    replica.snapshotting = false;
    const dir = openLogDir(env, replica.path, { nodeId: replica.id, clusterId: "c", configOf: () => CONFIG });
    const client = new RaftClient({
      dir,
      tools: { crc32c: env.crypto.crc32c, codecs: env.codecs },
      nodeId: replica.id,
      clusterId: "c",
      introduction: { software: { name: "test", version: "1" } },
      isController: replica.id <= this.#options.voters,
      listenerNames: ["CONTROLLER"],
      staticVoters: this.#options.isDynamic === true ? [] : this.voters,
      bootstrapServers: this.#options.isDynamic === true && replica.id > 1 ? this.voters : [],
      settings: { ...SETTINGS, ...this.#options.settings },
      bootstrap: () => [metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel: 20 })],
      retention: this.#options.retention ?? { maxBytes: -1, maxMs: -1 },
      listener: this.#listener(replica),
      ...this.#options.each?.(replica.id),
    });
    replica.dir = dir;
    replica.client = client;
    client.load();
    const isController = replica.id <= this.#options.voters;
    if (isController) {
      const dead = ignored("a node that has just crashed hears nothing");
      env.network.listen(replica.name, PORT, connection => this.#serve(replica, client, connection)).catch(dead);
    }
    client.start(isController ? replica.endpoints : []);
  }

  #listener(replica: Replica): RaftListener {
    return {
      loadSnapshot: (records, last) => {
        replica.numbers = numbersOf(records);
        replica.last = last;
        this.#compare(replica);
      },
      replay: (records, last) => {
        if (last.offset <= replica.last.offset) throw new Error(`${replica.name} replays ${last.offset} again`);
        replica.numbers.push(...numbersOf(records));
        replica.last = last;
      },
      committed: () => this.#compare(replica),
      leaderChanged: ({ epoch, leaderId }) => {
        replica.leads = leaderId === replica.id ? epoch : undefined;
        if (leaderId === undefined) return;
        const other = this.#leaders.get(epoch);
        if (other !== undefined && other !== leaderId) throw new Error(`epoch ${epoch}: ${other} and ${leaderId} lead`);
        this.#leaders.set(epoch, leaderId);
        if (leaderId === replica.id && replica.numbers.length < this.committed.length) {
          throw new Error(`${replica.name} leads without what is committed`);
        }
      },
      failed: error => void (replica.failure = error),
    };
  }

  #compare({ name, numbers }: Replica): void {
    numbers.forEach((number, index) => {
      const known = this.committed[index];
      if (known === undefined) this.committed.push(number);
      else if (known !== number) throw new Error(`${name} has committed ${number}, others ${known} at ${index}`);
    });
  }

  #serve(replica: Replica, client: RaftClient, connection: Connection): ConnectionHandler {
    const frames = new FrameSplitter(1 << 27, new BufferPool());
    return {
      onData: chunk => frames.push(chunk).forEach(frame => this.#receive({ replica, client, connection }, frame)),
      onDrain: () => {},
      onClose: () => {},
    };
  }

  #receive(to: { replica: Replica; client: RaftClient; connection: Connection }, frame: Uint8Array): void {
    const reader = new ByteReader(frame);
    const [key, version] = [reader.view.getInt16(0), reader.view.getInt16(2)];
    const { correlationId } = requestHeader.decode(reader, requestHeaderVersion(key, version));
    const api = apiOf(key);
    if (api === undefined) throw new Error(`no API ${key}`);
    const body = api.request.decode(reader, version);
    const reply = (response: object, sent?: () => void): void => {
      const told = this.tamper(api.name, response, to.replica);
      if (told !== undefined) to.connection.write(responseFrame({ key, version, correlationId }, api.response, told));
      sent?.();
    };
    if (api.name === "ApiVersions") reply({ errorCode: 0, apiKeys: RANGES, supportedFeatures: FEATURES });
    else to.client.handle(api.name as RaftApi, body as never, version, reply as never);
  }

  /** Cuts the power of a node. */
  crash(replica: Replica, how: CrashOptions = { unsynced: "lost" }): void {
    if (replica.client === undefined) return;
    replica.client = undefined;
    replica.leads = undefined;
    this.world.crash(replica.name, how);
  }

  /** Cuts a node off from all others. */
  isolate({ name }: Replica): void {
    for (const other of this.replicas) if (other.name !== name) this.world.network.cut(name, other.name);
  }

  heal(): void {
    for (const a of this.replicas) for (const b of this.replicas) this.world.network.heal(a.name, b.name);
  }

  /** Appends a number on every node that leads. */
  propose(count = 1): void {
    for (const replica of this.replicas) {
      if (replica.client?.isLeader !== true || replica.leads !== replica.client.epoch) continue;
      const records = Array.from({ length: count }, () => numbered(this.next++));
      replica.client.append(records, Math.floor(this.world.wall()));
    }
  }

  /** Begins a snapshot of what a node has replayed. */
  snapshot(replica: Replica): void {
    const { client, snapshotting, numbers, last } = replica;
    if (client === undefined || snapshotting || client.isSnapshotting || last.offset < 0) return;
    replica.snapshotting = true;
    client.snapshot(numbers.map(numbered), last).then(
      () => void (replica.snapshotting = false),
      (error: unknown) => {
        replica.snapshotting = false;
        // A machine without power writes nothing.
        if (!(error instanceof DiskError)) replica.failure = error as Error;
      },
    );
  }

  async elected(limitMs = 30_000): Promise<Replica> {
    await this.world.runUntil(() => this.leader !== undefined, limitMs);
    return this.leader as Replica;
  }

  /** Runs until every node has replayed all that is committed, and at least `count` numbers. */
  async caughtUp(count: number, limitMs = 30_000): Promise<void> {
    const isDone = ({ client, numbers }: Replica): boolean => client === undefined || numbers.length >= count;
    await this.world.runUntil(() => this.replicas.every(isDone), limitMs);
  }

  /** Asks the leader to change the voters; `answered` gets the error code. */
  ask(
    api: "AddRaftVoter" | "RemoveRaftVoter",
    voter: Replica,
    answered: (code: number) => void,
    more: object = {},
  ): void {
    const { id: voterId, endpoints: listeners } = voter;
    const request = { clusterId: "c", voterId, voterDirectoryId: voter.dir?.directoryId ?? DIRECTORY, ...more };
    const whole = api === "AddRaftVoter" ? { timeoutMs: 1000, listeners, ...request } : request;
    this.leader?.client?.handle(api, Apis[api].request.defaults(whole as never) as never, 0, response => {
      if (response.errorCode === 0) this.changes++;
      answered(response.errorCode);
    });
  }

  /** `ask` that runs until the leader has answered. */
  async change(api: "AddRaftVoter" | "RemoveRaftVoter", voter: Replica, more: object = {}): Promise<number> {
    let code: number | undefined;
    this.ask(api, voter, answer => void (code = answer), more);
    await this.world.runUntil(() => code !== undefined);
    return code as number;
  }

  /** Gives a new disk to a node that is down. */
  wipe(replica: Replica): void {
    replica.path = `${replica.path}-new`;
  }

  /** Ids of the voters that a node knows. */
  votersOf({ client }: Replica): number[] {
    return (client?.voters ?? []).map(({ id }) => id).toSorted((a, b) => a - b);
  }

  /** Ends all faults; the quorum must elect a leader and commit on all nodes. */
  async recover(): Promise<void> {
    this.heal();
    for (const replica of this.replicas) this.start(replica);
    await this.world.runFor(10_000);
    const before = this.next;
    await this.elected();
    this.propose();
    if (this.next !== before + 1) throw new Error("there is not one leader");
    await this.world.runUntil(() => this.replicas.every(({ numbers }) => numbers.at(-1) === before), 30_000);
    for (const { failure } of this.replicas) if (failure !== undefined) throw failure;
  }
}
