import { type Env, guard, type LeaderEpoch } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { RaftAnswer, RaftCall, RaftNode, ReplicaKey, VoterHistory } from "@samsa/quorum";
import type { RaftApi, RaftReply, RaftRequest } from "./raft-api.ts";
import type { RaftNetwork } from "./raft-network.ts";
import { RAFT_REQUESTS } from "./raft-requests.ts";
import type { RaftStorage } from "./raft-storage.ts";

/** Fields of responses that refuse a request as a whole. */
const NOTHING = { throttleTimeMs: 0, errorMessage: null, topics: [], responses: [] };
const NOBODY = -1;

/** Request that waits for its answer. */
interface Waiter {
  /** Requests of other types are answered at once. */
  readonly type: "fetch" | "change";
  readonly answered: (answer: RaftAnswer) => void;
}

/** Parts of a replica that its requests need. */
interface Parts {
  readonly env: Env;
  readonly self: ReplicaKey;
  readonly clusterId: string;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly history: VoterHistory;
  /** The replica; undefined while it does not act. */
  readonly node: () => RaftNode | undefined;
  /** Lets the replica decide on a call. */
  readonly call: (ticket: number, call: RaftCall) => void;
}

/** Requests to a replica, from their arrival to their answers. */
export class RaftServer {
  readonly #parts: Parts;
  readonly #waiters = new Map<number, Waiter>();
  #lastTicket = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Answers a request, now or later. Without a replica that acts the answer is BROKER_NOT_AVAILABLE. */
  handle<N extends RaftApi>(api: N, request: RaftRequest<N>, version: number, reply: RaftReply<N>): void {
    const node = this.#parts.node();
    // Each of these APIs has a part of these fields.
    if (node === undefined) return reply({ ...NOTHING, errorCode: Errors.BROKER_NOT_AVAILABLE.code } as never);
    const { env, self, clusterId, storage, network, history } = this.#parts;
    const host = {
      ...{ self, clusterId, storage, network },
      leader: () => ({ epoch: node.epoch, leaderId: node.leaderId }),
      view: () => {
        const { endOffset } = storage;
        return { self, node, set: history.last.set, endOffset, wall: env.clock.now(), now: env.clock.monotonic() };
      },
      leaderFault: (epoch: LeaderEpoch) => node.leaderFault(epoch),
      call: (call: RaftCall, answered: (answer: RaftAnswer) => void) =>
        this.#parts.call(this.await(call.type === "fetch" ? "fetch" : "change", answered), call),
    };
    RAFT_REQUESTS[api](host, request, version, reply);
  }

  /** Ticket of a request that waits for an answer. */
  await(type: Waiter["type"], answered: (answer: RaftAnswer) => void): number {
    this.#waiters.set(++this.#lastTicket, { type, answered });
    return this.#lastTicket;
  }

  /** Passes on the answer of the replica. A reply that fails does not keep it from others. */
  answer(ticket: number, answer: RaftAnswer): void {
    const waiter = this.#waiters.get(ticket);
    this.#waiters.delete(ticket);
    guard(
      () => waiter?.answered(answer),
      error => this.#parts.env.logger.error("a request to a replica could not be answered", { error }),
    );
  }

  /** Answers the requests that wait: nothing will come any more. */
  refuseWaiting(epoch: LeaderEpoch): void {
    const answer = { errorCode: Errors.BROKER_NOT_AVAILABLE.code, epoch, leaderId: NOBODY };
    for (const [ticket, { type }] of [...this.#waiters]) {
      this.answer(ticket, type === "fetch" ? { type, ...answer, highWatermark: -1 } : { type, ...answer });
    }
  }
}
