import type { Prng } from "../world/prng.ts";
import type { World } from "../world/world.ts";
import type { ClusterMachine } from "./machine.ts";

/** Parts of a scenario that its faults need. */
export interface FaultStage {
  readonly world: World;
  readonly machines: readonly ClusterMachine[];
  readonly rng: Prng;
  readonly clients: readonly string[];
  /** Every log may be lost on every machine at once. */
  readonly mayBlackOut: boolean;
  /** True if a controller may lose its disk: it can be removed from the voters, and added again. */
  mayReplace(): boolean;
  /** True if all replicas are in sync, so that one of them may lose what it has not flushed. */
  isWhole(): boolean;
  /** Called before the power of one broker, or of all machines, is cut. */
  powerCut(all: boolean): void;
}

type Fault = (faults: ClusterFaults) => void;

/** Faults that befall the machines of a cluster and its networks, drawn one at a time; `heal` ends all. */
export class ClusterFaults {
  readonly #stage: FaultStage;
  /** Faults so far, by kind. */
  readonly counts = new Map<string, number>();

  constructor(stage: FaultStage) {
    this.#stage = stage;
  }

  /** Draws a fault. */
  strike(): void {
    const [name, fault] = this.#stage.rng.oneOf(FAULTS);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#stage.world.trace(`fault ${name}`);
    fault(this);
  }

  /** Ends all faults, and starts the nodes that are down. */
  heal(): void {
    const { world, machines, clients } = this.#stage;
    const names = [...machines.map(({ name }) => name), ...clients];
    world.trace("heal all");
    for (const { name } of machines) {
      for (const other of names) {
        if (other === name) continue;
        world.network.heal(name, other);
        world.network.slow(name, other, undefined);
      }
    }
    for (const machine of machines) {
      machine.resume();
      machine.diskDelay = 0;
      machine.start();
    }
  }

  get #rng(): Prng {
    return this.#stage.rng;
  }

  get #victim(): ClusterMachine {
    return this.#rng.oneOf(this.#stage.machines);
  }

  #othersOf(machine: ClusterMachine): ClusterMachine[] {
    return this.#stage.machines.filter(other => other !== machine);
  }

  cutPair(): void {
    const one = this.#victim;
    this.#stage.world.network.cut(one.name, this.#rng.oneOf(this.#othersOf(one)).name);
  }

  cutOneWay(): void {
    const one = this.#victim;
    this.#stage.world.network.cutOneWay(one.name, this.#rng.oneOf(this.#othersOf(one)).name);
  }

  isolateController(): void {
    const leader = this.#stage.machines.find(({ node }) => node?.shared.quorum.isLeader === true);
    this.isolate(leader);
  }

  /** Cuts a node from all others: in both directions, or only what it sends, or only what it receives. */
  isolate(one = this.#victim): void {
    const { network } = this.#stage.world;
    const draw = this.#rng.int(0, 2);
    for (const other of this.#othersOf(one)) {
      if (draw === 0) network.cut(one.name, other.name);
      else if (draw === 1) network.cutOneWay(one.name, other.name);
      else network.cutOneWay(other.name, one.name);
    }
    if (this.#rng.chance(0.5)) for (const client of this.#stage.clients) network.cut(one.name, client);
  }

  sever(): void {
    const one = this.#victim;
    for (const other of this.#othersOf(one)) this.#stage.world.network.sever(one.name, other.name);
    for (const client of this.#stage.clients) this.#stage.world.network.sever(one.name, client);
  }

  slowLink(): void {
    const one = this.#victim;
    const most = this.#rng.oneOf([50, 300, 1000]);
    for (const other of this.#othersOf(one)) {
      if (this.#rng.chance(0.7)) this.#stage.world.network.slow(one.name, other.name, [most / 10, most]);
    }
  }

  slowDisk(): void {
    this.#victim.diskDelay = this.#rng.oneOf([20, 200, 1000]);
  }

  pause(): void {
    const one = this.#victim;
    if (one.isUp) one.pause();
  }

  kill(): void {
    this.#victim.end("kill");
  }

  killSome(): void {
    for (const machine of this.#stage.machines) if (this.#rng.chance(0.6)) machine.end("kill");
  }

  killAll(): void {
    for (const machine of this.#stage.machines) machine.end("kill");
  }

  stopAll(): void {
    for (const machine of this.#stage.machines) machine.stop();
  }

  power(): void {
    const one = this.#victim;
    if (!one.isUp) return;
    if (one.isBroker) {
      if (!this.#stage.isWhole()) return;
      this.#stage.powerCut(false);
    }
    one.end("power");
  }

  blackOut(): void {
    if (!this.#stage.mayBlackOut) return;
    this.#stage.powerCut(true);
    for (const machine of this.#stage.machines) machine.end("power");
  }

  /** Replaces the disk of a controller, once: until it is a voter again, the others have all that is committed. */
  replaceDisk(): void {
    const { machines } = this.#stage;
    const one = this.#victim;
    if (
      one.isBroker ||
      machines.some(({ isReplaced }) => isReplaced) ||
      !this.#stage.isWhole() ||
      !this.#stage.mayReplace()
    )
      return;
    one.replaceDisk();
  }

  stop(): void {
    this.#victim.stop();
  }

  clock(): void {
    this.#victim.clockOffset = this.#rng.int(-60_000, 60_000);
  }
}

const FAULTS: readonly (readonly [name: string, fault: Fault])[] = [
  ["cut", faults => faults.cutPair()],
  ["one way", faults => faults.cutOneWay()],
  ["isolate", faults => faults.isolate()],
  ["isolate controller", faults => faults.isolateController()],
  ["sever", faults => faults.sever()],
  ["slow link", faults => faults.slowLink()],
  ["slow disk", faults => faults.slowDisk()],
  ["pause", faults => faults.pause()],
  ["kill", faults => faults.kill()],
  ["kill", faults => faults.kill()],
  ["kill some", faults => faults.killSome()],
  ["kill all", faults => faults.killAll()],
  ["stop all", faults => faults.stopAll()],
  ["power", faults => faults.power()],
  ["power", faults => faults.power()],
  ["black out", faults => faults.blackOut()],
  ["replace disk", faults => faults.replaceDisk()],
  ["stop", faults => faults.stop()],
  ["clock", faults => faults.clock()],
];
