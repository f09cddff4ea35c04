import { type Ending, Violation } from "./rules.ts";

/** Attempt to set a committed offset; -1 removes it. */
export interface Attempt {
  readonly offset: number;
  /** Start of the attempt; like `ended`, a number in the order of all client operations. */
  readonly began: number;
  ended: number;
  outcome: "open" | "done" | "unknown" | "refused";
}

/** Committed offset of one partition, modelled as a linearizable register with several writers. */
class Register {
  #attempts: Attempt[] = [{ offset: -1, began: 0, ended: 0, outcome: "done" }];

  begin(offset: number, now: number): Attempt {
    const attempt: Attempt = { offset, began: now, ended: Infinity, outcome: "open" };
    this.#attempts.push(attempt);
    return attempt;
  }

  /** Values that a read may return which began at `began` and ends now. */
  possible(began: number): Set<number> {
    const written = this.#attempts.filter(({ outcome }) => outcome !== "refused");
    const done = written.filter(({ outcome }) => outcome === "done");
    const overwritten = (attempt: Attempt) =>
      done.some(later => later.began > attempt.ended && later.ended < began && later !== attempt);
    return new Set(written.filter(attempt => !overwritten(attempt)).map(({ offset }) => offset));
  }

  /** All values ever attempted. */
  everything(): Set<number> {
    return new Set([-1, ...this.#attempts.map(({ offset }) => offset)]);
  }

  settle(offset: number, now: number): void {
    this.#attempts = [{ offset, began: now, ended: now, outcome: "done" }];
  }
}

/** Successful JoinGroup answer. */
export interface Joined {
  readonly life: number;
  readonly generation: number;
  /** Name of the client, independent of the member id. */
  readonly identity: string;
  readonly leads: boolean;
  /** `GroupLedger.lowest` when the request was sent: the answer may take long. */
  readonly lowest: number;
}

/** Classic group, as its members know it. */
class Round {
  /** Owners of partitions, by generation. */
  readonly owners = new Map<number, Map<number, string>>();
  /** Leaders by life of the broker and generation. */
  readonly leaders = new Map<string, string>();
  /** Highest generation with a persisted assignment, and when a member first had one. */
  written = 0;
  writtenAt = 0;
  /** Highest generation joined in the current life of the broker, and when. */
  joined = { life: 0, generation: 0, at: 0 };
}

/** Ledger of groups: generations, assignments and committed offsets as members were told. */
export class GroupLedger {
  readonly #registers = new Map<string, Register>();
  readonly #rounds = new Map<string, Round>();
  /** Committed offsets may expire. */
  expirable = false;
  /**
   * A coordinator may have been deposed without knowing it: what it has not made durable says nothing, and what it
   * answers to a read is old.
   */
  deposable = false;
  #now = 0;
  commits = 0;
  /** Number of assignments that members received. */
  shares = 0;

  #register(group: string, partition: number): Register {
    const key = `${group}/${partition}`;
    const register = this.#registers.get(key) ?? new Register();
    this.#registers.set(key, register);
    return register;
  }

  #round(group: string): Round {
    const round = this.#rounds.get(group) ?? new Round();
    this.#rounds.set(group, round);
    return round;
  }

  attempted(group: string, partition: number, offset: number): Attempt {
    return this.#register(group, partition).begin(offset, ++this.#now);
  }

  ended(attempt: Attempt, outcome: "done" | "unknown" | "refused"): void {
    attempt.ended = ++this.#now;
    attempt.outcome = outcome;
    if (outcome === "done") this.commits++;
  }

  /** Returns the next number in the order of operations, for a read or a commit that begins. */
  begin(): number {
    return ++this.#now;
  }

  read(group: string, partition: number, offset: number, began: number): void {
    const register = this.#register(group, partition);
    this.#judge(`${group}/${partition}`, offset, this.deposable ? register.everything() : register.possible(began));
  }

  #judge(where: string, offset: number, possible: ReadonlySet<number>): void {
    if (possible.has(offset) || (this.expirable && offset === -1)) return;
    throw new Violation("a committed offset is lost", `${where} is ${offset}, not ${[...possible].join(" or ")}`);
  }

  /** Checks the committed offset that a restarted broker reports while no client is active. */
  audited(group: string, partition: number, offset: number, ending: Ending): void {
    const register = this.#register(group, partition);
    const possible = ending === "power" ? register.everything() : register.possible(++this.#now);
    this.#judge(`${group}/${partition} after a ${ending}`, offset, possible);
    // After a kill the writes need not be on the device: a later power cut may bring earlier values back.
    if (ending !== "kill") register.settle(offset, ++this.#now);
  }

  /** Forgets generations: after a power cut they may restart. */
  forgetRounds(): void {
    this.#rounds.clear();
  }

  /** Lowest generation that a JoinGroup sent now may return. */
  lowest(group: string, life: number): number {
    if (this.deposable) return 0;
    const { joined, written } = this.#round(group);
    return joined.life === life ? Math.max(joined.generation, written) : written;
  }

  joined(group: string, { life, generation, identity, leads, lowest }: Joined): void {
    // A group whose offsets have all expired is deleted, and its generations restart.
    if (this.expirable) return;
    const round = this.#round(group);
    if (generation < lowest) {
      throw new Violation("a generation went back", `${group}: ${generation} after ${lowest}`);
    }
    if (round.joined.life !== life || generation > round.joined.generation) {
      round.joined = { life, generation, at: ++this.#now };
    }
    if (!leads || this.deposable) return;
    const key = `${life}/${generation}`;
    const leader = round.leaders.get(key) ?? identity;
    if (leader !== identity) {
      throw new Violation("a group has two leaders", `${group}, generation ${generation}: ${leader} and ${identity}`);
    }
    round.leaders.set(key, identity);
  }

  /** Records the assignment that a member received. */
  shared(group: string, generation: number, identity: string, partitions: readonly number[]): void {
    this.shares++;
    if (this.expirable) return;
    const round = this.#round(group);
    const owners = round.owners.get(generation) ?? new Map<number, string>();
    round.owners.set(generation, owners);
    if (generation > round.written) {
      round.written = generation;
      round.writtenAt = ++this.#now;
    }
    for (const partition of partitions) {
      const owner = owners.get(partition) ?? identity;
      if (owner !== identity) {
        const detail = `${group}-${partition} in generation ${generation}: ${owner} and ${identity}`;
        throw new Violation("a partition has two owners", detail);
      }
      owners.set(partition, identity);
    }
  }

  /** Checks an accepted commit: its generation must not have been superseded when the commit was sent. */
  accepted(
    group: string,
    commit: { readonly life: number; readonly generation: number; readonly began: number },
  ): void {
    const { joined, written, writtenAt } = this.#round(group);
    if (this.deposable && written > Math.max(0, commit.generation) && writtenAt < commit.began) {
      const detail = `${group}: of generation ${commit.generation}, though ${written} has its assignment`;
      throw new Violation("a late commit was accepted", detail);
    }
    if (joined.life === commit.life && joined.generation > commit.generation && joined.at < commit.began) {
      const detail = `${group}: of generation ${commit.generation}, though ${joined.generation} had begun`;
      throw new Violation("a late commit was accepted", detail);
    }
  }
}
