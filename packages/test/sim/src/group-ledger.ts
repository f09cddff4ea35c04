import { type Ending, Violation } from "./rules.ts";

/** Somebody's try to set a committed offset; -1 removes it. */
export interface Attempt {
  readonly offset: number;
  /** Both in the order of all that clients do. */
  readonly began: number;
  ended: number;
  outcome: "open" | "done" | "unknown" | "refused";
}

/** One committed offset: a register that several clients write and that must be linearizable. */
class Register {
  #attempts: Attempt[] = [{ offset: -1, began: 0, ended: 0, outcome: "done" }];

  begin(offset: number, now: number): Attempt {
    const attempt: Attempt = { offset, began: now, ended: Infinity, outcome: "open" };
    this.#attempts.push(attempt);
    return attempt;
  }

  /** What a read that began at `began` and ends now may find. */
  possible(began: number): Set<number> {
    const written = this.#attempts.filter(({ outcome }) => outcome !== "refused");
    const done = written.filter(({ outcome }) => outcome === "done");
    const overwritten = (attempt: Attempt) =>
      done.some(later => later.began > attempt.ended && later.ended < began && later !== attempt);
    return new Set(written.filter(attempt => !overwritten(attempt)).map(({ offset }) => offset));
  }

  /** All that was ever tried. */
  everything(): Set<number> {
    return new Set([-1, ...this.#attempts.map(({ offset }) => offset)]);
  }

  settle(offset: number, now: number): void {
    this.#attempts = [{ offset, began: now, ended: now, outcome: "done" }];
  }
}

export interface Joined {
  readonly life: number;
  readonly generation: number;
  /** Who it is for the scenario, whatever id the broker gave it. */
  readonly identity: string;
  readonly leads: boolean;
  /** `lowest` when it asked: an answer may be long under way. */
  readonly lowest: number;
}

/** One group of members that share partitions, as they know it. */
class Round {
  /** Owners of partitions, by generation. */
  readonly owners = new Map<number, Map<number, string>>();
  /** Leaders by generation, of one life of the broker. */
  readonly leaders = new Map<string, string>();
  /** The highest generation that is written down. */
  written = 0;
  /** The highest that anybody has joined in this life of the broker, and when. */
  joined = { life: 0, generation: 0, at: 0 };
}

/** What members of groups were promised. */
export class GroupLedger {
  readonly #registers = new Map<string, Register>();
  readonly #rounds = new Map<string, Round>();
  /** Offsets may vanish because they are old. */
  expirable = false;
  #now = 0;
  commits = 0;
  /** Generations in which members have got their share. */
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

  /** The moment at which a read begins, or anything else whose order matters. */
  begin(): number {
    return ++this.#now;
  }

  read(group: string, partition: number, offset: number, began: number): void {
    this.#judge(`${group}/${partition}`, offset, this.#register(group, partition).possible(began));
  }

  #judge(where: string, offset: number, possible: ReadonlySet<number>): void {
    if (possible.has(offset) || (this.expirable && offset === -1)) return;
    throw new Violation("a committed offset is lost", `${where} is ${offset}, not ${[...possible].join(" or ")}`);
  }

  /** Nobody is at work; the broker has come back and says what is committed. */
  audited(group: string, partition: number, offset: number, ending: Ending): void {
    const register = this.#register(group, partition);
    const possible = ending === "power" ? register.everything() : register.possible(++this.#now);
    this.#judge(`${group}/${partition} after a ${ending}`, offset, possible);
    // After a mere kill nothing need be on the device yet: what came before stays possible.
    if (ending !== "kill") register.settle(offset, ++this.#now);
  }

  /** After a power cut generations may begin anew. */
  forgetRounds(): void {
    this.#rounds.clear();
  }

  /** The lowest generation that who asks now may get. */
  lowest(group: string, life: number): number {
    const { joined, written } = this.#round(group);
    return joined.life === life ? Math.max(joined.generation, written) : written;
  }

  joined(group: string, { life, generation, identity, leads, lowest }: Joined): void {
    // A group whose offsets are all too old vanishes, and begins anew.
    if (this.expirable) return;
    const round = this.#round(group);
    if (generation < lowest) {
      throw new Violation("a generation went back", `${group}: ${generation} after ${lowest}`);
    }
    if (round.joined.life !== life || generation > round.joined.generation) {
      round.joined = { life, generation, at: ++this.#now };
    }
    if (!leads) return;
    const key = `${life}/${generation}`;
    const leader = round.leaders.get(key) ?? identity;
    if (leader !== identity) {
      throw new Violation("a group has two leaders", `${group}, generation ${generation}: ${leader} and ${identity}`);
    }
    round.leaders.set(key, identity);
  }

  /** A member was given its share. */
  shared(group: string, generation: number, identity: string, partitions: readonly number[]): void {
    this.shares++;
    if (this.expirable) return;
    const round = this.#round(group);
    const owners = round.owners.get(generation) ?? new Map<number, string>();
    round.owners.set(generation, owners);
    round.written = Math.max(round.written, generation);
    for (const partition of partitions) {
      const owner = owners.get(partition) ?? identity;
      if (owner !== identity) {
        const detail = `${group}-${partition} in generation ${generation}: ${owner} and ${identity}`;
        throw new Violation("a partition has two owners", detail);
      }
      owners.set(partition, identity);
    }
  }

  /** A commit was accepted; it must not come from before a round that had ended when it was sent. */
  accepted(
    group: string,
    commit: { readonly life: number; readonly generation: number; readonly began: number },
  ): void {
    const { joined } = this.#round(group);
    if (joined.life === commit.life && joined.generation > commit.generation && joined.at < commit.began) {
      const detail = `${group}: of generation ${commit.generation}, though ${joined.generation} had begun`;
      throw new Violation("a late commit was accepted", detail);
    }
  }
}
