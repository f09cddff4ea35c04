import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { Violation } from "../ledgers/rules.ts";
import { Wishes } from "../ledgers/wishes.ts";
import type { Prng } from "../world/prng.ts";
import type { Actor } from "../stage/stage.ts";
import { CONTROLLER, type Plan, PORT } from "./plan.ts";

const IN = "in";
const OUT = "out";
/** Errors of a change of voters that say nothing about the request: another one is open, or the leader is new. */
const EXCUSED_HERE: ReadonlySet<number> = new Set(
  [
    Errors.NONE,
    Errors.REQUEST_TIMED_OUT,
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.NOT_CONTROLLER,
    Errors.DUPLICATE_VOTER,
    Errors.VOTER_NOT_FOUND,
    Errors.UNSUPPORTED_VERSION,
    Errors.INVALID_REQUEST,
  ].map(({ code }) => code),
);

/** Removes voters from the quorum and adds them again; first upgrades `kraft.version` where that is still 0 (KIP-853). */
export class ClusterVoters implements Actor {
  readonly client: Client;
  readonly #rng: Prng;
  readonly #plan: Plan;
  readonly #directoryOf: (id: number) => Uuid | undefined;
  readonly #wishes = new Wishes();
  /** Number of changes whose outcome is not known. */
  #open = 0;

  /** `directoryOf`: present directory of a controller that runs. */
  constructor(client: Client, rng: Prng, plan: Plan, directoryOf: (id: number) => Uuid | undefined) {
    this.client = client;
    this.#directoryOf = directoryOf;
    this.#rng = rng;
    this.#plan = plan;
  }

  /** Number of changes that were confirmed. */
  get changes(): number {
    return this.#wishes.confirmations;
  }

  /** True if no change of the voters can be under way, so that one of them may lose its disk. */
  get isCalm(): boolean {
    return this.#open === 0;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    if (!rng.chance(0.1)) return;
    if (this.#plan.quorum === "upgraded" && rng.chance(0.3)) return this.#upgrade();
    const partitions = [{ partitionIndex: 0 }];
    const answer = await this.client.ask(CALLS.describeQuorum, {
      topics: [{ topicName: "__cluster_metadata", partitions }],
    });
    const found = answer?.topics[0]?.partitions[0];
    if (found === undefined || found.errorCode !== 0) return;
    const { currentVoters, observers } = found;
    // A voter that has lost its disk counts until it is removed: no other one may go before it.
    const lost = currentVoters.find(({ replicaId, replicaDirectoryId }) => {
      const now = this.#directoryOf(replicaId);
      return now !== undefined && replicaDirectoryId !== ZERO_UUID && now !== replicaDirectoryId;
    });
    if (lost !== undefined) return this.#remove(lost);
    const outside = observers.filter(
      ({ replicaId, replicaDirectoryId }) =>
        this.#plan.controllers.includes(replicaId) && this.#directoryOf(replicaId) === replicaDirectoryId,
    );
    if (outside.length > 0 && rng.chance(0.6)) await this.#add(rng.oneOf(outside));
    else if (currentVoters.length > 1) await this.#remove(rng.oneOf(currentVoters));
  }

  async #upgrade(): Promise<void> {
    const featureUpdates = [{ feature: "kraft.version", maxVersionLevel: 1, upgradeType: 1 }];
    await this.client.ask(CALLS.updateFeatures, { timeoutMs: 300, featureUpdates, validateOnly: false });
  }

  async #add({ replicaId, replicaDirectoryId }: ReplicaState): Promise<void> {
    const { clusterId } = this.#plan;
    const listeners = [{ name: CONTROLLER, host: this.#plan.nameOf(replicaId), port: PORT + 1 }];
    this.#wishes.attempted(String(replicaId), IN, undefined);
    this.#open++;
    const answer = await this.client.ask(CALLS.addRaftVoter, {
      clusterId,
      timeoutMs: 300,
      voterId: replicaId,
      voterDirectoryId: replicaDirectoryId ?? ZERO_UUID,
      listeners,
    });
    this.#answered(replicaId, IN, answer);
  }

  async #remove({ replicaId, replicaDirectoryId }: ReplicaState): Promise<void> {
    const { clusterId } = this.#plan;
    this.#wishes.attempted(String(replicaId), OUT, undefined);
    this.#open++;
    const answer = await this.client.ask(CALLS.removeRaftVoter, {
      clusterId,
      voterId: replicaId,
      voterDirectoryId: replicaDirectoryId ?? ZERO_UUID,
    });
    this.#answered(replicaId, OUT, answer);
  }

  #answered(id: number, wish: string, answer: Answer | undefined): void {
    if (answer === undefined) return;
    const { errorCode, errorMessage } = answer;
    if (errorCode !== Errors.REQUEST_TIMED_OUT.code) this.#open--;
    if (errorCode === 0) this.#wishes.confirmed(String(id), wish);
    if (EXCUSED_HERE.has(errorCode)) return;
    const detail = `error ${errorCode} (${errorMessage}) to a voter ${id} that shall be ${wish}`;
    throw new Violation("a good request was refused", detail);
  }

  /** First controller that is a voter or not against what was confirmed. */
  misplaced(voters: ReadonlySet<number>): string | undefined {
    for (const id of this.#plan.controllers) {
      const is = voters.has(id) ? IN : OUT;
      if (this.#wishes.possible(String(id))?.includes(is) === false) return `voter ${id} is ${is}`;
    }
    return undefined;
  }
}

interface ReplicaState {
  readonly replicaId: number;
  readonly replicaDirectoryId?: Uuid | undefined;
}

interface Answer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}
