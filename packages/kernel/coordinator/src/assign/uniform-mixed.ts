import { DeadlineHeap, invariant, type PartitionIndex, type Uuid } from "@samsa/base";
import { add, type Assignment, type AssignorInput } from "./assignor.ts";

/** Maximum number of balancing rounds over all topics; partly overlapping subscriptions may take many. */
const MOST_ROUNDS = 16;

/** Heap of member indices, the least weight first; entries with an outdated weight are skipped. */
class Lightest {
  readonly #heap = new DeadlineHeap<readonly [weight: number, member: number]>();
  readonly #weight: (member: number) => number;

  constructor(weight: (member: number) => number) {
    this.#weight = weight;
  }

  push(member: number): void {
    const weight = this.#weight(member);
    this.#heap.push(weight, [weight, member]);
  }

  pop(): number | undefined {
    for (let found = this.#heap.pop(Infinity); found !== undefined; found = this.#heap.pop(Infinity)) {
      const [weight, member] = found;
      if (weight === this.#weight(member)) return member;
    }
    return undefined;
  }
}

class MixedAssignment {
  readonly #input: AssignorInput;
  /** Indices of the subscribed members, by topic. */
  readonly #subscribers = new Map<Uuid, number[]>();
  /** Index of the owner of each partition; −1: none. */
  readonly #owners = new Map<Uuid, Int32Array>();
  readonly #sizes: number[];

  constructor(input: AssignorInput) {
    this.#input = input;
    this.#sizes = input.members.map(() => 0);
    input.members.forEach(({ topics }, member) => {
      for (const topic of topics) {
        const subscribers = this.#subscribers.get(topic);
        if (subscribers === undefined) this.#subscribers.set(topic, [member]);
        else subscribers.push(member);
      }
    });
    for (const topic of this.#subscribers.keys()) {
      this.#owners.set(topic, new Int32Array(input.partitions(topic)).fill(-1));
    }
    input.members.forEach(({ topics, assigned }, member) => {
      for (const [topic, partitions] of assigned) {
        const owners = this.#owners.get(topic);
        if (owners === undefined || !topics.has(topic)) continue;
        for (const partition of partitions) this.#give(owners, partition, member);
      }
    });
  }

  #give(owners: Int32Array, partition: PartitionIndex, member: number): void {
    const before = owners[partition] as number;
    if (before >= 0) this.#sizes[before] = this.#sizeOf(before) - 1;
    owners[partition] = member;
    this.#sizes[member] = this.#sizeOf(member) + 1;
  }

  /** Number of partitions of a member, by its index. */
  #sizeOf(member: number): number {
    return this.#sizes[member] as number;
  }

  /** Topics in order: most partitions per subscriber first, then fewest subscribers first. */
  #topics(): Uuid[] {
    const pressure = (topic: Uuid): number => this.#input.partitions(topic) / this.#among(topic).length;
    return [...this.#subscribers.keys()].sort(
      (a, b) => pressure(b) - pressure(a) || this.#among(a).length - this.#among(b).length || (a < b ? -1 : 1),
    );
  }

  #among(topic: Uuid): readonly number[] {
    return this.#subscribers.get(topic) ?? [];
  }

  /** Least loaded members first. Ties are broken by member index, so that the result depends on the input only. */
  #light(): Lightest {
    return new Lightest(member => this.#sizeOf(member) * this.#sizes.length + member);
  }

  fill(topics: readonly Uuid[]): void {
    for (const topic of topics) {
      const owners = this.#owners.get(topic) as Int32Array;
      const light = this.#light();
      for (const member of this.#among(topic)) light.push(member);
      for (let partition = owners.indexOf(-1); partition >= 0; partition = owners.indexOf(-1, partition)) {
        const member = light.pop() as number;
        this.#give(owners, partition, member);
        light.push(member);
      }
    }
  }

  balance(topics: readonly Uuid[]): void {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      let moved = 0;
      for (const topic of topics) moved += this.#balanceTopic(topic);
      if (moved === 0) return;
    }
  }

  /** Moves partitions of a topic from the most to the least loaded members; returns the number of moves. */
  #balanceTopic(topic: Uuid): number {
    const among = this.#among(topic);
    let [most, least] = [0, Infinity];
    for (const member of among) {
      most = Math.max(most, this.#sizeOf(member));
      least = Math.min(least, this.#sizeOf(member));
    }
    if (most - least <= 1) return 0;
    const owners = this.#owners.get(topic) as Int32Array;
    const owned = new Map<number, number[]>();
    owners.forEach((owner, partition) => {
      const partitions = owned.get(owner);
      if (partitions === undefined) owned.set(owner, [partition]);
      else partitions.push(partition);
    });
    const light = this.#light();
    const heavy = new Lightest(member => -(this.#sizeOf(member) * this.#sizes.length + member));
    for (const member of among) light.push(member);
    for (const member of owned.keys()) heavy.push(member);
    let moved = 0;
    for (let from = heavy.pop(); from !== undefined; from = heavy.pop()) {
      const partition = owned.get(from)?.pop();
      if (partition === undefined) continue;
      const to = light.pop();
      if (to === undefined || this.#sizeOf(from) - this.#sizeOf(to) <= 1) break;
      this.#give(owners, partition, to);
      moved++;
      light.push(to);
      light.push(from);
      heavy.push(from);
    }
    return moved;
  }

  run(): Map<string, Assignment> {
    const topics = this.#topics();
    this.fill(topics);
    this.balance(topics.filter(topic => this.#among(topic).length > 1));
    const result = this.#input.members.map(({ id }) => ({ id, assigned: new Map<Uuid, Set<PartitionIndex>>() }));
    for (const [topic, owners] of this.#owners) {
      owners.forEach((owner, partition) => {
        const member = result[owner];
        invariant(member !== undefined, "a partition with subscribers has an owner");
        add(member.assigned, topic, partition);
      });
    }
    return new Map(result.map(({ id, assigned }) => [id, assigned]));
  }
}

/** Assigns to members with different subscriptions: keeps partitions, gives free ones to the least loaded, balances. */
export function uniformMixed(input: AssignorInput): Map<string, Assignment> {
  return new MixedAssignment(input).run();
}
