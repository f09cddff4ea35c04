import type { BrokerId, LeaderEpoch, Offset } from "@samsa/base";
import {
  type EpochEnd,
  type FetchAnswer,
  type FetchPosition,
  type FollowerLog,
  FollowerReplica,
  type IsrAnswer,
  type IsrProposal,
  type PartitionState,
  Replica,
} from "../src/index.ts";

export const LAG_MS = 100;

interface Rec {
  readonly epoch: LeaderEpoch;
  readonly value: number;
}

/** Log as a plain list. */
export class ModelLog implements FollowerLog {
  readonly startOffset = 0;
  records: Rec[] = [];
  epochs: { readonly epoch: LeaderEpoch; readonly start: Offset }[] = [];
  flushed = 0;

  get endOffset(): Offset {
    return this.records.length;
  }

  get latestEpoch(): LeaderEpoch {
    return this.epochs.at(-1)?.epoch ?? -1;
  }

  endOffsetForEpoch(epoch: LeaderEpoch): EpochEnd {
    if (epoch === this.latestEpoch) return { epoch, endOffset: this.endOffset };
    const higher = this.epochs.findIndex(entry => entry.epoch > epoch);
    if (epoch < 0 || higher < 0) return { epoch: -1, endOffset: -1 };
    return { epoch: this.epochs[higher - 1]?.epoch ?? epoch, endOffset: this.epochs[higher]?.start ?? -1 };
  }

  begin(epoch: LeaderEpoch): void {
    while ((this.epochs.at(-1)?.start ?? -1) >= this.endOffset) this.epochs.pop();
    if (epoch > this.latestEpoch) this.epochs.push({ epoch, start: this.endOffset });
  }

  append(record: Rec): void {
    if (record.epoch > this.latestEpoch) this.begin(record.epoch);
    this.records.push(record);
  }

  truncate(offset: Offset): void {
    this.records.length = Math.min(offset, this.endOffset);
    this.epochs = this.epochs.filter(({ start }) => start < offset);
    this.flushed = Math.min(this.flushed, this.endOffset);
  }
}

/** A broker: its log outlives a crash, its replica does not. */
export interface ModelNode {
  readonly id: BrokerId;
  readonly log: ModelLog;
  replica: Replica<number>;
  follower: { readonly leader: BrokerId; readonly fetches: FollowerReplica } | undefined;
  /** High watermark that a checkpoint has. */
  checkpointed: Offset;
  isUp: boolean;
  brokerEpoch: number;
  /** Images that are on their way, oldest first. */
  images: (PartitionState & { readonly leader: BrokerId })[];
  isFetching: boolean;
}

type Message =
  | { readonly to: "leader"; readonly node: BrokerId; readonly from: ModelNode; readonly asked: FetchPosition }
  | { readonly to: "follower"; readonly from: ModelNode; readonly answer: ModelAnswer; readonly asked: FetchPosition }
  | { readonly to: "controller"; readonly node: ModelNode; readonly proposal: IsrProposal }
  | { readonly to: "proposer"; readonly node: ModelNode; readonly proposal: IsrProposal; readonly answer: IsrAnswer };
/** Message, for a life of its receiver. */
type Sent = Message & { readonly life: number };

interface ModelAnswer extends FetchAnswer {
  readonly records: readonly Rec[];
  readonly highWatermark: Offset;
}

const NO_DIVERGENCE: EpochEnd = { epoch: -1, endOffset: -1 };

/** Replicas of one partition, messages between them that are late or lost, and a controller that is always right. */
export class ModelCluster {
  readonly nodes: ModelNode[];
  state: PartitionState & { leader: BrokerId };
  readonly fenced = new Set<BrokerId>();
  messages: Sent[] = [];
  now = 0;
  readonly acknowledged = new Map<Offset, number>();
  #values = 0;
  #brokerEpochs = 100;
  readonly minInSync: number;

  constructor(size: number, minInSync: number) {
    this.minInSync = minInSync;
    const replicas = Array.from({ length: size }, (_, i) => i);
    this.state = { leader: 0, leaderEpoch: 0, partitionEpoch: 0, replicas, isr: replicas };
    this.nodes = replicas.map(id => this.#node(id));
    this.#publish();
  }

  #node(id: BrokerId): ModelNode {
    const log = new ModelLog();
    return {
      id,
      log,
      replica: this.#replica(id, 0),
      follower: undefined,
      checkpointed: 0,
      isUp: true,
      brokerEpoch: id,
      images: [],
      isFetching: false,
    };
  }

  #replica(id: BrokerId, highWatermark: Offset): Replica<number> {
    const brokers = {
      self: id,
      ownEpoch: () => this.nodes[id]?.brokerEpoch ?? -1,
      aliveEpoch: (other: BrokerId) => (this.fenced.has(other) ? undefined : this.nodes[other]?.brokerEpoch),
      isLeaving: () => false,
    };
    const replica = new Replica<number>(highWatermark, { brokers, lagMs: LAG_MS });
    replica.minInSync = this.minInSync;
    return replica;
  }

  #publish(): void {
    for (const node of this.nodes) if (node.isUp) node.images.push(this.state);
  }

  get leader(): ModelNode | undefined {
    const node = this.nodes[this.state.leader];
    return node?.isUp === true && node.replica.leaderEpoch === this.state.leaderEpoch ? node : undefined;
  }

  /** A node takes the next image. */
  takeImage(node: ModelNode): void {
    const image = node.images.shift();
    if (!node.isUp || image === undefined) return;
    const { replica, log } = node;
    if (image.leader === node.id) {
      node.follower = undefined;
      if (image.leaderEpoch > log.latestEpoch) log.begin(image.leaderEpoch);
      replica.becomeLeader(image, { logEnd: log.endOffset, ownEnd: log.endOffset, now: this.now });
      this.#settle(node);
    } else if (image.leaderEpoch > replica.leaderEpoch) {
      replica.becomeFollower(image.leaderEpoch);
      node.follower = { leader: image.leader, fetches: new FollowerReplica(image.leaderEpoch) };
      node.isFetching = false;
    }
  }

  /** A client appends to whatever node believes that it leads. */
  produce(node: ModelNode): void {
    const { replica, log } = node;
    if (!node.isUp || replica.appendFault("IN_SYNC") !== 0) return;
    log.append({ epoch: replica.leaderEpoch, value: this.#values++ });
    replica.appended(log.endOffset, "IN_SYNC", log.endOffset - 1);
    replica.written(log.endOffset, this.now);
    this.#settle(node);
  }

  #settle(node: ModelNode): void {
    const proposal = node.replica.leader?.takeProposal();
    if (proposal !== undefined) this.#send({ to: "controller", node, proposal });
    for (const { items, errorCode } of node.replica.settled()) {
      for (const offset of items) {
        if (errorCode === 0) this.acknowledged.set(offset, node.log.records[offset]?.value ?? -1);
      }
    }
  }

  #send(message: Message): void {
    const to = message.to === "leader" ? this.nodes[message.node] : "node" in message ? message.node : message.from;
    this.messages.push({ ...message, life: to?.brokerEpoch ?? -1 });
  }

  /** A follower that waits for no answer fetches. */
  fetch(node: ModelNode): void {
    const { follower, log } = node;
    if (!node.isUp || follower === undefined || follower.leader < 0 || node.isFetching) return;
    if (!follower.fetches.isReady(this.now)) return;
    node.isFetching = true;
    this.#send({ to: "leader", node: follower.leader, from: node, asked: follower.fetches.position(log) });
  }

  /** Gives up a fetch whose request or answer is lost. */
  timeOut(node: ModelNode): void {
    node.isFetching = false;
  }

  deliver(index: number): void {
    const [message] = this.messages.splice(index, 1);
    if (message === undefined) return;
    if (message.to === "controller") return this.#decide(message.node, message.proposal);
    if (message.to === "leader") return this.#serve(message.from, this.nodes[message.node], message.asked);
    const node = message.to === "follower" ? message.from : message.node;
    if (!node.isUp || node.brokerEpoch !== message.life) return;
    if (message.to === "follower") return this.#follow(node, message.asked, message.answer);
    if (node.replica.isrAnswered(message.proposal, message.answer, this.now)) {
      this.#send({ to: "controller", node, proposal: message.proposal });
    }
    this.#settle(node);
  }

  drop(index: number): void {
    const [message] = this.messages.splice(index, 1);
    // The sender of a proposal notices the loss, and tries again (`NodeToControllerChannelManager`).
    if (message?.to === "controller" || message?.to === "proposer") {
      const { node, proposal } = message;
      if (node.isUp && node.replica.leader?.isPending(proposal) === true) {
        this.#send({ to: "controller", node, proposal });
      }
    }
  }

  #serve(from: ModelNode, leader: ModelNode | undefined, asked: FetchPosition): void {
    if (leader?.isUp !== true) return;
    const { replica, log } = leader;
    const failed = (errorCode: number): ModelAnswer => ({
      errorCode,
      divergingEpoch: NO_DIVERGENCE,
      records: [],
      highWatermark: -1,
    });
    const answer = (): ModelAnswer => {
      const fault = replica.fault !== 0 ? replica.fault : replica.epochFault(asked.leaderEpoch);
      if (fault !== 0) return failed(fault);
      const state = { errorCode: 0, records: [], divergingEpoch: NO_DIVERGENCE, highWatermark: replica.highWatermark };
      if (asked.lastEpoch >= 0) {
        const own = log.endOffsetForEpoch(asked.lastEpoch);
        if (own.epoch < 0) return failed(1);
        if (own.epoch < asked.lastEpoch || own.endOffset < asked.offset) return { ...state, divergingEpoch: own };
      }
      if (asked.offset > log.endOffset) return failed(1);
      const brokerEpoch = from.brokerEpoch;
      const { offset, logStart } = asked;
      const stale = replica.fetched({
        ...{ id: from.id, brokerEpoch, offset, logStart, logEnd: log.endOffset },
        ...{ now: this.now, pulse: { at: this.now } },
      });
      this.#settle(leader);
      if (stale !== 0) return failed(stale);
      return { ...state, records: log.records.slice(offset), highWatermark: replica.highWatermark };
    };
    this.#send({ to: "follower", from, asked, answer: answer() });
  }

  #follow(node: ModelNode, asked: FetchPosition, answer: ModelAnswer): void {
    node.isFetching = false;
    const { follower, log, replica } = node;
    if (follower === undefined) return;
    const step = follower.fetches.answered(asked, answer, log);
    switch (step.type) {
      case "APPEND":
        for (const record of answer.records) {
          if (record.epoch > asked.leaderEpoch) break;
          log.append(record);
        }
        node.checkpointed = replica.follow(answer.highWatermark, log.endOffset);
        break;
      case "TRUNCATE":
        log.truncate(step.offset);
        break;
      case "ASK_RANGE": {
        const leader = this.nodes[follower.leader];
        const end = leader?.log.endOffset ?? 0;
        const next = follower.fetches.ranged({ start: 0, end }, log);
        if (next.type === "TRUNCATE") log.truncate(next.offset);
        break;
      }
      case "BACK_OFF":
        follower.fetches.delay(this.now + 5);
    }
  }

  #decide(node: ModelNode, proposal: IsrProposal): void {
    const answer = (): IsrAnswer => {
      const { leader, leaderEpoch, partitionEpoch } = this.state;
      if (node.id !== leader || proposal.leaderEpoch !== leaderEpoch) return { errorCode: 74 };
      if (proposal.partitionEpoch !== partitionEpoch) return { errorCode: 95 };
      const isEligible = ({ brokerId, brokerEpoch }: IsrProposal["isr"][number]): boolean =>
        !this.fenced.has(brokerId) && (brokerEpoch === -1 || this.nodes[brokerId]?.brokerEpoch === brokerEpoch);
      if (!proposal.isr.every(isEligible)) return { errorCode: 107 };
      const isr = proposal.isr.map(({ brokerId }) => brokerId);
      this.state = { ...this.state, isr, partitionEpoch: partitionEpoch + 1 };
      this.#publish();
      return { errorCode: 0, leaderEpoch, partitionEpoch: partitionEpoch + 1, isr };
    };
    this.#send({ to: "proposer", node, proposal, answer: answer() });
  }

  /** The controller takes a node for dead: it leaves the ISR, unless it is the last of it, and leads no more. */
  fence(node: ModelNode): void {
    if (this.fenced.has(node.id)) return;
    this.fenced.add(node.id);
    const rest = this.state.isr.filter(id => id !== node.id);
    this.#elect(rest.length > 0 ? rest : this.state.isr);
  }

  unfence(node: ModelNode): void {
    if (!node.isUp) return;
    this.fenced.delete(node.id);
    this.#elect(this.state.isr);
  }

  /** Elects another leader, or the same one again. */
  elect(): void {
    this.#elect(this.state.isr, true);
  }

  #elect(isr: readonly BrokerId[], moves = false): void {
    const { leader: before } = this.state;
    const able = isr.filter(id => !this.fenced.has(id));
    const others = moves ? able.filter(id => id !== before) : able;
    const leader = !moves && able.includes(before) ? before : (others[0] ?? able[0] ?? -1);
    const isNew = leader !== before || moves;
    const { leaderEpoch, partitionEpoch } = this.state;
    this.state = {
      ...this.state,
      ...{ leader, isr, leaderEpoch: isNew ? leaderEpoch + 1 : leaderEpoch, partitionEpoch: partitionEpoch + 1 },
    };
    this.#publish();
  }

  /** A node loses all records that are not flushed, from `kept` of them on; not the last one in the ISR. */
  crash(node: ModelNode, kept: number): void {
    if (!node.isUp) return;
    const isLast = this.state.isr.length === 1 && this.state.isr[0] === node.id;
    const { log } = node;
    if (!isLast) log.truncate(log.flushed + (kept % (log.endOffset - log.flushed + 1)));
    node.isUp = false;
    node.images = [];
    node.follower = undefined;
    this.fence(node);
  }

  restart(node: ModelNode): void {
    if (node.isUp) return;
    node.isUp = true;
    node.brokerEpoch = this.#brokerEpochs++;
    node.replica = this.#replica(node.id, Math.min(node.checkpointed, node.log.endOffset));
    node.isFetching = false;
    node.images.push(this.state);
    this.unfence(node);
  }

  flush({ log }: ModelNode): void {
    log.flushed = log.endOffset;
  }

  tick(ms: number): void {
    this.now += ms;
    for (const node of this.nodes) {
      if (!node.isUp) continue;
      node.replica.leader?.tick(this.now);
      this.#settle(node);
    }
  }
}
