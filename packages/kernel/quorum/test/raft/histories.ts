import { CALM, described, type Machine, RaftCluster } from "./cluster.ts";

/** Lets a cluster be without faults; it must elect a leader and commit on all voters. */
export function heal(cluster: RaftCluster): void {
  cluster.faults = CALM;
  cluster.cut.clear();
  for (const machine of cluster.machines) cluster.start(machine);
  cluster.run(30_000);
  if (cluster.leader === undefined) throw new Error("no leader after healing");
  const before = cluster.proposed;
  cluster.propose(1);
  if (cluster.proposed !== before + 1) throw new Error("there is not one leader after healing");
  cluster.run(5000);
  const end = cluster.leader?.log.length;
  for (const { key, highWatermark } of cluster.machines) {
    if (highWatermark !== end) throw new Error(`replica ${key.id} knows ${highWatermark} of ${end} records`);
  }
}

/** Disturbs a cluster at random. */
function disturb(cluster: RaftCluster, isDynamic: boolean): void {
  const machine = cluster.machines[Math.floor(cluster.draw() * cluster.machines.length)];
  const other = cluster.machines[Math.floor(cluster.draw() * cluster.machines.length)];
  if (machine === undefined || other === undefined) return;
  if (isDynamic && cluster.draw() < 0.2) return change(cluster);
  const chance = cluster.draw();
  if (chance < 0.5) cluster.propose(1 + Math.floor(cluster.draw() * 3));
  else if (chance < 0.53) restart(cluster, machine);
  else if (chance < 0.6) cluster.crash(machine);
  else if (chance < 0.8) cluster.start(machine);
  else if (chance < 0.84) cluster.snapshot(machine);
  else if (chance < 0.9) cluster.cut.add(`${machine.key.id}>${other.key.id}`);
  else if (chance < 0.92) for (const { key } of cluster.machines) cluster.cut.add(`${machine.key.id}>${key.id}`);
  else if (chance < 0.97) cluster.cut.clear();
  else if (chance < 0.98) cluster.step(machine, { type: "resign" });
  else {
    const { draw } = cluster;
    const flushMs = draw() * (draw() < 0.4 ? 8000 : 300);
    cluster.faults = { lost: draw() * 0.3, delayMs: draw() * 800, flushMs };
  }
}

/** Crashes a machine that comes back at once. */
function restart(cluster: RaftCluster, machine: Machine): void {
  cluster.crash(machine);
  cluster.start(machine);
}

/** Adds or removes a voter at random. */
function change(cluster: RaftCluster): void {
  const { leader } = cluster;
  const machine = cluster.machines[Math.floor(cluster.draw() * cluster.machines.length)];
  if (leader === undefined || machine === undefined) return;
  const isVoter = leader.history.last.set.voters.some(({ id }) => id === machine.key.id);
  if (isVoter) cluster.ask(leader, { type: "remove", voter: machine.key });
  else cluster.ask(leader, { type: "add", voter: described(machine.key), ackWhenCommitted: cluster.draw() < 0.5 });
}

/** Cuts all links: no leader of others may stay. */
function starve(cluster: RaftCluster): void {
  for (const machine of cluster.machines) cluster.isolate(machine);
  cluster.run(5000);
  for (const { key, node, history } of cluster.machines) {
    const others = history.last.set.voters.filter(({ id }) => id !== key.id);
    if (node?.role === "LEADER" && others.length > 0) throw new Error(`${key.id} leads nobody`);
  }
}

/** Plays a random history of faults, and heals it. Throws if an invariant is broken. */
export function play(seed: number, isDynamic: boolean): RaftCluster {
  const cluster = new RaftCluster(seed, [1, 3, 5][seed % 3] as number, isDynamic ? 2 : seed % 2, isDynamic);
  try {
    for (let step = 0; step < 150; step++) {
      disturb(cluster, isDynamic);
      // Some faults come close together.
      cluster.run(Math.floor(cluster.draw() * (cluster.draw() < 0.3 ? 30 : 600)));
    }
    heal(cluster);
    starve(cluster);
    heal(cluster);
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
  return cluster;
}
