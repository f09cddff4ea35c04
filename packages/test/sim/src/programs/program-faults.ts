import type { ClusterFaults } from "../cluster/cluster-faults.ts";
import type { ClusterSight } from "../cluster/cluster-sight.ts";
import type { ClusterMachine } from "../cluster/machine.ts";
import type { Prng } from "../world/prng.ts";
import type { World } from "../world/world.ts";
import type { Program } from "./program.ts";

/** Parts of a scenario that faults of programs need. */
export interface ProgramFaultStage {
  readonly world: World;
  readonly rng: Prng;
  readonly machines: readonly ClusterMachine[];
  readonly sight: ClusterSight;
  readonly programs: readonly Program[];
  readonly cluster: ClusterFaults;
}

type Fault = (faults: ProgramFaults) => void;

/** Faults between programs and the cluster, and of the programs themselves; among them those of the cluster. */
export class ProgramFaults {
  readonly #stage: ProgramFaultStage;
  /** Faults so far, by kind. */
  readonly counts = new Map<string, number>();
  /** Connections whose answers are held back, and get lost when the fault is over. */
  readonly #muted: (readonly [broker: string, program: string])[] = [];

  constructor(stage: ProgramFaultStage) {
    this.#stage = stage;
  }

  /** Draws a fault. */
  strike(): void {
    const [name, fault] = this.#stage.rng.oneOf(FAULTS);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#stage.world.trace(`fault of programs: ${name}`);
    fault(this);
  }

  /** Ends all faults. */
  heal(): void {
    const { world, programs, cluster } = this.#stage;
    for (const [broker, program] of this.#muted.splice(0)) world.network.sever(broker, program);
    cluster.heal();
    for (const program of programs) program.resume();
  }

  get #rng(): Prng {
    return this.#stage.rng;
  }

  get #program(): Program {
    return this.#rng.oneOf(this.#stage.programs);
  }

  get #broker(): string {
    return this.#rng.oneOf(this.#stage.machines.filter(({ isBroker }) => isBroker)).name;
  }

  ofCluster(): void {
    this.#stage.cluster.strike();
  }

  cut(): void {
    this.#stage.world.network.cut(this.#program.name, this.#broker);
  }

  /** Cuts a program from all brokers. */
  isolate(): void {
    const { name } = this.#program;
    for (const machine of this.#stage.machines) this.#stage.world.network.cut(name, machine.name);
  }

  /** Brokers act on what a program asks for, and it does not hear of it. */
  loseAnswers(): void {
    const { name } = this.#program;
    for (const { name: broker } of this.#stage.machines) {
      if (!this.#rng.chance(0.7)) continue;
      this.#stage.world.network.cutOneWay(broker, name);
      this.#muted.push([broker, name]);
    }
  }

  sever(): void {
    const { name } = this.#program;
    for (const machine of this.#stage.machines) this.#stage.world.network.sever(name, machine.name);
  }

  slow(): void {
    const most = this.#rng.oneOf([50, 300, 1000]);
    this.#stage.world.network.slow(this.#program.name, this.#broker, [most / 10, most]);
  }

  pause(): void {
    this.#program.pause();
  }

  crash(): void {
    this.#program.crash();
  }

  clock(): void {
    this.#stage.world.node(this.#program.name).clockOffset = this.#rng.int(-60_000, 60_000);
  }

  /** Kills the broker that coordinates some groups or transactions, or that leads another partition. */
  killLeader(): void {
    const { machines, sight } = this.#stage;
    const leaders = [...(sight.image?.topics.values() ?? [])].flatMap(({ name, partitions }) =>
      INTERNAL.has(name) || this.#rng.chance(0.3) ? [...partitions.values()].map(({ leader }) => leader) : [],
    );
    if (leaders.length === 0) return;
    const leader = this.#rng.oneOf(leaders);
    machines.find(({ id }) => id === leader)?.end("kill");
  }
}

const INTERNAL = new Set(["__consumer_offsets", "__transaction_state", "__share_group_state"]);

const FAULTS: readonly (readonly [name: string, fault: Fault])[] = [
  ...Array.from({ length: 6 }, () => ["cluster", (faults: ProgramFaults) => faults.ofCluster()] as const),
  ["cut", faults => faults.cut()],
  ["isolate", faults => faults.isolate()],
  ["lose answers", faults => faults.loseAnswers()],
  ["lose answers", faults => faults.loseAnswers()],
  ["sever", faults => faults.sever()],
  ["slow", faults => faults.slow()],
  ["pause", faults => faults.pause()],
  ["crash", faults => faults.crash()],
  ["crash", faults => faults.crash()],
  ["clock", faults => faults.clock()],
  ["kill leader", faults => faults.killLeader()],
  ["kill leader", faults => faults.killLeader()],
];
