import {
  type BrokerId,
  type Env,
  ignored,
  invariant,
  type LeaderEpoch,
  MalformedError,
  messageOf,
  type Offset,
  type Timer,
  ZERO_UUID,
} from "@samsa/base";
import type { Provenance } from "@samsa/metadata";
import { Errors, type MetadataRecord } from "@samsa/protocol";
import {
  controlBatch,
  type ElectionState,
  type LogEnd,
  metadataBatch,
  type RaftEffect,
  type RaftInput,
  type RaftLog,
  RaftNode,
  type Snapshot,
  VoterHistory,
} from "@samsa/quorum";
import type { Tools, VoterDescription, VoterEndpoint } from "@samsa/records";
import type { LogDir } from "@samsa/storage";
import { type Endpoint, type Introduction, isRefused, WireError } from "@samsa/wire";
import { Flusher } from "./flusher.ts";
import { NotLeaderError } from "./quorum-error.ts";
import type { RaftApi, RaftReply, RaftRequest } from "./raft-api.ts";
import { OddAnswerError, type PeerAnswer } from "./raft-calls.ts";
import type { LeaderAndEpoch, RaftListener } from "./raft-listener.ts";
import { type QuorumSettings, RaftNetwork } from "./raft-network.ts";
import { RaftServer } from "./raft-server.ts";
import { RaftStorage, type Retention } from "./raft-storage.ts";
import { RecordFeed } from "./record-feed.ts";
import { describeVoter, loadReplica, type StaticVoter, voterSetOf } from "./startup.ts";

/** Longest time that a stop waits for the other voters to hear of it, in ms. */
const GOODBYE_MS = 2000;

/** Files, identity and settings of a replica. */
export interface RaftClientOptions {
  readonly dir: LogDir;
  readonly tools: Tools;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  /** Software and credentials of this node, for other replicas. */
  readonly introduction: Introduction;
  /** False for a broker without the role of a controller, which only observes. */
  readonly isController: boolean;
  /** `controller.listener.names`. */
  readonly listenerNames: readonly string[];
  readonly staticVoters: readonly StaticVoter[];
  /** `controller.quorum.bootstrap.servers`. */
  readonly bootstrapServers: readonly Endpoint[];
  readonly settings: QuorumSettings;
  /** Returns the records of a new cluster. */
  readonly bootstrap: () => readonly MetadataRecord[];
  readonly retention: Retention;
  readonly listener: RaftListener;
}

/** Replica of the metadata log over its files and its connections to the others (`KafkaRaftClient`). */
export class RaftClient {
  readonly #options: RaftClientOptions;
  readonly #env: Env;
  readonly #storage: RaftStorage;
  readonly #feed: RecordFeed;
  readonly #history: VoterHistory;
  readonly #network: RaftNetwork;
  readonly #flusher: Flusher;
  readonly #server: RaftServer;
  #log: RaftLog | undefined;
  #state: ElectionState | undefined;
  #node: RaftNode | undefined;
  #first: readonly MetadataRecord[] | undefined;
  /** Records of the decision that is being appended. */
  #proposed: Parameters<RaftClient["append"]> | undefined;
  /** Answer that is being taken, for the effects that store its bytes. */
  #taken: PeerAnswer | undefined;
  /** Received snapshot that is checked. */
  #received: Snapshot | undefined;
  #snapshotting: Promise<void> | undefined;
  /** Change of the leader that the listener does not know. */
  #untold: LeaderAndEpoch | undefined;
  #isDelivering = false;
  /** Reason of the last warning about a peer. */
  #complaint: string | undefined;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #failure: Error | undefined;
  #isClosed = false;

  /** Opens the log in `dir`. */
  constructor(options: RaftClientOptions) {
    this.#options = options;
    const { dir, tools, nodeId, listener, staticVoters, listenerNames } = options;
    this.#env = dir.env;
    this.#storage = new RaftStorage(dir, nodeId, tools);
    this.#feed = new RecordFeed(listener, this.#storage);
    this.#flusher = new Flusher(
      this.#storage,
      ({ generation, offset }) => this.#input({ type: "flushed", generation, offset }),
      error => this.#fail(error),
    );
    const name = listenerNames[0] ?? "CONTROLLER";
    this.#history = new VoterHistory(
      staticVoters.map(({ id, host, port }) => ({
        ...describeVoter(id, ZERO_UUID),
        endpoints: [{ name, host, port }],
      })),
    );
    this.#network = new RaftNetwork(dir.env, options, () => this.voters);
    this.#server = new RaftServer({
      env: dir.env,
      self: { id: nodeId, directoryId: dir.directoryId },
      clusterId: options.clusterId,
      storage: this.#storage,
      network: this.#network,
      history: this.#history,
      node: () => (this.#isRunning ? this.#node : undefined),
      call: (ticket, call) => this.#input({ type: "call", ticket, call }),
    });
  }

  // State

  get epoch(): LeaderEpoch {
    return this.#node?.epoch ?? 0;
  }

  /** Leader of the epoch; undefined: unknown. */
  get leaderId(): BrokerId | undefined {
    return this.#node?.leaderId;
  }

  /** Newest answer without sense of another replica, such as one of another cluster. */
  get complaint(): string | undefined {
    return this.#complaint;
  }

  readonly standing = (): Pick<RaftNode, "role" | "votedId"> | undefined => this.#node;

  get isLeader(): boolean {
    return this.#node?.role === "LEADER";
  }

  /** Records before it are committed; 0 if that is not known of any. */
  get highWatermark(): Offset {
    return Math.max(0, this.#node?.highWatermark ?? 0);
  }

  get endOffset(): Offset {
    return this.#storage.endOffset;
  }

  get kraftVersion(): number {
    return this.#history.last.set.kraftVersion;
  }

  /** Voters of the quorum; those of a static quorum have no directory ids. */
  get voters(): readonly VoterDescription[] {
    return this.#history.last.set.voters;
  }

  /** True if the log names this node as the only voter. */
  get isOnlyVoter(): boolean {
    const { nodeId, dir } = this.#options;
    const [voter, ...others] = this.voters;
    const isSelf = voter?.id === nodeId && [ZERO_UUID, dir.directoryId].includes(voter.directoryId);
    return isSelf && others.length === 0;
  }

  /** Records that this cluster began with, if its first snapshot still exists here. */
  get first(): readonly MetadataRecord[] | undefined {
    return this.#first;
  }

  /** True while a snapshot is being written. */
  get isSnapshotting(): boolean {
    return this.#snapshotting !== undefined;
  }

  /** Bytes of the log that a start would replay after the newest snapshot. */
  get bytesSinceSnapshot(): number {
    return this.#feed.bytesSinceSnapshot;
  }

  /** Address at which brokers reach the leader, if it is known. */
  leaderEndpoint(): StaticVoter | undefined {
    const { leaderId } = this;
    const found = leaderId === undefined ? undefined : this.#network.endpointOf(leaderId);
    return found && { id: found.nodeId, host: found.host, port: found.port };
  }

  // Start

  /**
   * Gives the newest snapshot to the listener and reads the log after it. A new directory gets its first snapshot,
   * unless this node joins a cluster. Throws `QuorumError` if the files do not belong together or one of them is
   * damaged, and `MalformedError` if the log is.
   */
  load(): void {
    const [storage, feed, history] = [this.#storage, this.#feed, this.#history];
    this.#first = loadReplica({ ...this.#options, storage, feed, history });
    this.#log = storage.shape();
    this.#state = storage.readState();
  }

  /**
   * Begins to act. `endpoints` are the advertised endpoints of this node's controller listeners; without any, those that
   * the voters have are kept.
   */
  start(endpoints: readonly VoterEndpoint[]): void {
    const { dir, nodeId, isController, settings } = this.#options;
    const log = this.#log;
    invariant(log !== undefined && this.#node === undefined, "a replica that was loaded starts once");
    const self = describeVoter(nodeId, dir.directoryId);
    const known = this.voters.find(({ id }) => id === nodeId);
    this.#network.endpoints = endpoints.length > 0 ? endpoints : (known?.endpoints ?? []);
    this.#node = new RaftNode({
      self: { ...self, endpoints: this.#network.endpoints },
      canVote: isController,
      voters: this.#history,
      bootstrap: this.#network.bootstrapIds,
      state: this.#state,
      log,
      times: settings,
      draw: () => this.#env.random.next(),
      now: this.#env.clock.monotonic(),
    });
    this.#step({ type: "tick", now: this.#env.clock.monotonic() });
  }

  // The own log

  /**
   * Appends records as one batch, which is committed later; returns the place of the last record. `values` are the encoded
   * records, if the caller has them. Throws `NotLeaderError` if this node does not lead the quorum, and the reason if the
   * replica has failed.
   */
  append(records: readonly MetadataRecord[], timestamp: number, values?: readonly Uint8Array[]): Provenance {
    if (this.#failure !== undefined) throw this.#failure;
    const node = this.#node;
    if (node === undefined || node.role !== "LEADER" || this.#isClosed) throw new NotLeaderError();
    const { epoch } = node;
    const offset = this.#storage.endOffset + records.length - 1;
    this.#proposed = [records, timestamp, values];
    this.#step({ type: "propose", epoch, token: 0, count: records.length, now: this.#env.clock.monotonic() });
    // An append that has failed must not be taken for one that is on its way.
    const failure = this.#hasFailed();
    if (failure !== undefined) throw failure;
    return { offset, epoch, timestamp };
  }

  #hasFailed(): Error | undefined {
    return this.#failure;
  }

  /**
   * Writes a snapshot of committed metadata, and trims the log and snapshots that it replaces. Resolves once it is
   * durable. Only one may run at a time. `last` is the provenance of the last record that `records` include.
   */
  async snapshot(records: readonly MetadataRecord[], last: Provenance): Promise<void> {
    const id = { offset: last.offset + 1, epoch: last.epoch };
    invariant(id.offset <= this.#feed.next, "a snapshot holds committed records only");
    invariant(!this.isSnapshotting, "one snapshot is written at a time");
    const { snapshots } = this.#storage;
    if (id.offset <= (snapshots.latest?.offset ?? 0)) return;
    const bytes = this.#feed.bytesSinceSnapshot;
    const { kraftVersion, voters } = this.#history.before(id.offset);
    const snapshot: Snapshot = {
      lastContainedLogTimestamp: last.timestamp,
      kraftVersion,
      voters: kraftVersion >= 1 ? voters : undefined,
      records,
    };
    this.#snapshotting = snapshots.write(id, snapshot);
    try {
      await this.#snapshotting;
      // The snapshot lacks the records that were appended while it was written.
      this.#feed.snapshotted(bytes);
    } finally {
      this.#snapshotting = undefined;
    }
    this.#input({ type: "snapshotted", id });
    this.trim();
  }

  /** Deletes old snapshots and the log below them by `metadata.max.retention.*`. */
  trim(): void {
    const start = this.#storage.trim(this.#options.retention);
    if (start !== undefined) this.#input({ type: "trimmed", start });
  }

  /** Gives up the leadership of `epoch`, if this node has it: the next leader is another voter, if there is any. */
  resign(epoch: LeaderEpoch): void {
    if (this.#node?.epoch === epoch) this.#input({ type: "resign" });
  }

  /**
   * Raises kraft.version, and writes the voters into the log. Calls back with an error code and its reason, or 0:
   * NOT_LEADER_OR_FOLLOWER and epochs that are not the leader's, INVALID_UPDATE_VERSION if a voter does not support it.
   */
  upgradeKraftVersion(
    upgrade: { readonly epoch: LeaderEpoch; readonly level: number; readonly validateOnly: boolean },
    done: (errorCode: number, message: string | undefined) => void,
  ): void {
    if (!this.#isRunning) return done(Errors.BROKER_NOT_AVAILABLE.code, undefined);
    const ticket = this.#server.await("change", answer =>
      done(answer.errorCode, answer.type === "change" ? answer.message : undefined),
    );
    this.#input({ type: "upgrade", ticket, ...upgrade });
  }

  // Requests

  /**
   * Answers a request of a replica or a client, now or later. `version` is that of the request. A replica that has not
   * started or has stopped answers BROKER_NOT_AVAILABLE.
   */
  handle<N extends RaftApi>(api: N, request: RaftRequest<N>, version: number, reply: RaftReply<N>): void {
    this.#server.handle(api, request, version, reply);
  }

  get #isRunning(): boolean {
    return this.#node !== undefined && this.#failure === undefined && !this.#isClosed;
  }

  // Steps

  #input(input: Untimed<RaftInput>): void {
    if (this.#node !== undefined) this.#step({ ...input, now: this.#env.clock.monotonic() });
  }

  /** Takes an input, carries out its effects, then tells the listener. */
  #step(input: RaftInput): void {
    const node = this.#node;
    if (node === undefined || this.#failure !== undefined || this.#isClosed) return;
    try {
      const effects = node.step(input);
      for (let i = 0; i < effects.length; i++) {
        const effect = effects[i] as RaftEffect;
        // Only the last of several states that follow each other is ever needed.
        if (effect.type === "save" && effects[i + 1]?.type === "save") continue;
        this.#perform(effect);
      }
    } catch (error) {
      return this.#fail(error);
    }
    this.#wakeAt(node.nextDeadline());
    this.#deliver();
  }

  #wakeAt(at: number): void {
    // A timer that rings early sets the next one.
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#env.timers.after(Math.max(0, at - this.#env.clock.monotonic()), () => {
      this.#timerAt = Infinity;
      this.#input({ type: "tick" });
    });
  }

  #perform(effect: RaftEffect): void {
    switch (effect.type) {
      case "save":
        return this.#storage.saveState(effect.state, this.#history.last.set);
      case "append":
        return this.#append(effect.run.epoch, effect.run.baseOffset);
      case "control":
        return this.#appendControl(effect);
      case "store":
        return this.#store(effect.runs.reduce((sum, { size = 0 }) => sum + size, 0));
      case "truncate":
        this.#storage.truncateTo(effect.offset);
        return this.#feed.truncate(effect.offset);
      case "flush":
        return this.#flusher.ask(effect);
      case "send":
        return this.#send(effect);
      case "reply":
        return this.#server.answer(effect.ticket, effect.answer);
      case "highWatermark":
        this.#storage.highWatermark = effect.offset;
        return;
      case "leader":
        this.#untold = { epoch: effect.epoch, leaderId: effect.leaderId };
        return;
      case "probe":
        return this.#probe(effect.voter);
      case "refuse":
        throw new NotLeaderError();
      default:
        return this.#performOnSnapshot(effect);
    }
  }

  #performOnSnapshot(effect: Extract<RaftEffect, { type: "part" | "complete" | "abandon" | "install" }>): void {
    const { snapshots } = this.#storage;
    switch (effect.type) {
      case "part":
        return snapshots.storePart(effect.id, effect.position, this.#taken?.bytes ?? []);
      case "complete":
        this.#check(effect.id).catch(ignored("`#check` has no failures of its own"));
        return;
      case "abandon":
        return snapshots.abandon(effect.id);
      case "install": {
        const snapshot = this.#received;
        invariant(snapshot !== undefined, "a snapshot is installed once it was checked");
        this.#received = undefined;
        snapshots.adopt(effect.id);
        this.#storage.restartAt(effect.id);
        this.#feed.load(effect.id, snapshot);
        return;
      }
    }
  }

  #append(epoch: LeaderEpoch, baseOffset: Offset): void {
    const proposed = this.#proposed;
    invariant(proposed !== undefined, "records are appended for a decision");
    this.#proposed = undefined;
    const [records, timestamp, values] = proposed;
    const bytes = metadataBatch(records, { baseOffset, epoch, timestamp }, this.#options.tools, values);
    this.#storage.append(bytes);
    this.#feed.keep({
      baseOffset,
      lastOffset: baseOffset + records.length - 1,
      epoch,
      timestamp,
      records,
      size: bytes.length,
    });
  }

  #appendControl({ run, records }: Extract<RaftEffect, { type: "control" }>): void {
    const { baseOffset, endOffset, epoch } = run;
    const timestamp = this.#env.clock.now();
    const bytes = controlBatch(records, { baseOffset, epoch, timestamp }, this.#options.tools);
    this.#storage.beginEpoch(epoch);
    this.#storage.append(bytes);
    this.#feed.keep({ baseOffset, lastOffset: endOffset - 1, epoch, timestamp, records: [], size: bytes.length });
  }

  /** Stores the first `size` bytes that were fetched. */
  #store(size: number): void {
    let left = size;
    for (const chunk of this.#taken?.bytes ?? []) {
      if (left <= 0) break;
      const taken = chunk.subarray(0, left);
      this.#storage.append(taken);
      left -= taken.length;
    }
    if (!this.#options.isController) this.#storage.write();
  }

  #send({ call, to, request }: Extract<RaftEffect, { type: "send" }>): void {
    this.#network.call(to, request, this.epoch).then(
      answer => this.#answered(call, to, answer),
      (error: unknown) => this.#unanswered({ call, to, request }, error),
    );
  }

  #probe(voter: VoterDescription): void {
    this.#network.probe(voter).then(
      range => this.#input({ type: "probed", voter, range }),
      (error: unknown) => {
        this.#env.logger.info("a new voter does not answer", { voter: voter.id, error });
        this.#input({ type: "probed", voter, range: undefined });
      },
    );
  }

  #answered(call: number, from: BrokerId, answered: PeerAnswer): void {
    const { answer, nodes } = answered;
    const leader = nodes.find(({ nodeId }) => nodeId === answer.leaderId);
    if (leader !== undefined && answer.epoch >= this.epoch) this.#network.learn(answer.epoch, leader);
    this.#taken = answered;
    this.#input({ type: "answer", call, from, answer });
    this.#taken = undefined;
  }

  #unanswered({ call, to, request }: Omit<Extract<RaftEffect, { type: "send" }>, "type">, error: unknown): void {
    const reason = messageOf(error);
    const fields = { to, api: request.type, reason };
    // A peer that is away is asked again and again: only another reason is news.
    const isOdd = error instanceof OddAnswerError || error instanceof MalformedError;
    const isNews = isOdd && this.#complaint !== reason;
    if (isNews) this.#complaint = reason;
    const { logger } = this.#env;
    if (isNews) logger.warn("a replica of the metadata log answers without sense", fields);
    else logger.debug("a request to a replica of the metadata log has failed", fields);
    const isUnsupported = error instanceof WireError && error.code === "UNSUPPORTED_VERSION";
    this.#input({ type: "failed", call, isUnsupported, isRefused: isRefused(error) });
  }

  /** Checks a snapshot that was received as a whole. */
  async #check(id: LogEnd): Promise<void> {
    try {
      const snapshot = await this.#storage.snapshots.complete(id);
      this.#received = snapshot;
      if (snapshot === undefined) this.#input({ type: "rejected", id });
      else this.#input({ type: "received", id, voters: voterSetOf(snapshot) });
    } catch (error) {
      this.#env.logger.warn("a snapshot of the leader could not be stored", { error });
      this.#input({ type: "rejected", id });
    } finally {
      this.#received = undefined;
    }
  }

  // The listener

  /** Tells the listener what is new. It may append meanwhile, which leads back here. */
  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      while (this.#failure === undefined && this.#deliverNext());
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isDelivering = false;
    }
  }

  /** Tells one thing; false if there is nothing more to tell in this turn. */
  #deliverNext(): boolean {
    const { listener, nodeId } = this.#options;
    const untold = this.#untold;
    if (untold !== undefined && untold.leaderId !== nodeId) {
      this.#untold = undefined;
      listener.leaderChanged(untold);
      return true;
    }
    const { isLoading, next: before } = this.#feed;
    if (isLoading || before < this.highWatermark) {
      if (!(isLoading ? this.#feed.loadSlice() : this.#feed.replayTo(this.highWatermark))) {
        this.#env.timers.soon(() => this.#deliver());
        return false;
      }
      if (isLoading || this.#feed.next > before) {
        listener.committed();
        return true;
      }
    }
    // A leader knows all that its predecessors have committed before it decides.
    const start = this.#node?.leadership?.startOffset;
    if (untold === undefined || start === undefined || this.#feed.next <= start) return false;
    this.#untold = undefined;
    listener.leaderChanged(untold);
    return true;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#end();
    this.#options.listener.failed(this.#failure);
  }

  #end(): void {
    this.#timer?.cancel();
    this.#network.close();
    this.#server.refuseWaiting(this.epoch);
  }

  /**
   * Stops the replica. A leader of others resigns first, so that they need not wait for a time-out. Waits for appended
   * records, and for the snapshot in progress, whose failure the caller of `snapshot` gets.
   */
  async close(): Promise<void> {
    await this.#flusher.idle();
    await this.#sayGoodbye();
    await this.#flusher.idle();
    this.#isClosed = true;
    this.#end();
    await Promise.allSettled([this.#snapshotting]);
  }

  async #sayGoodbye(): Promise<void> {
    const node = this.#node;
    if (node?.leadership === undefined || node.leadership.isAlone || this.#failure !== undefined) return;
    this.#input({ type: "resign" });
    const { clock } = this.#env;
    const until = clock.monotonic() + GOODBYE_MS;
    while (!node.hasSaidGoodbye && this.#hasFailed() === undefined && clock.monotonic() < until) {
      await new Promise<void>(resolve => void this.#env.timers.after(10, resolve));
    }
  }
}

type Untimed<T> = T extends unknown ? Omit<T, "now"> : never;
