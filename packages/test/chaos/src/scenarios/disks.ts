import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type MixedNode, until } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { SmallDisk } from "../stage/small-disk.ts";
import { onStage, type Stage } from "../stage/stage.ts";

const LEFT_BYTES = 48 * 1024;
const STRETCH = 100;
/** Longest pause of writes when a log directory fails, in ms. */
const PAUSE_MS = 2000;

/** End of a disk: it is full, or its writes fail. */
interface Ending {
  readonly name: string;
  readonly begin: (disk: SmallDisk) => void;
  /** Undoes it while the node is stopped. */
  readonly undo: (disk: SmallDisk) => void;
}

const FULL: Ending = {
  name: "full",
  begin: disk => disk.fill(LEFT_BYTES),
  undo: disk => disk.relieve(),
};
const FAILING: Ending = {
  name: "failing (EIO)",
  begin: disk => disk.fail(),
  undo: disk => disk.repair(),
};

async function badDisk(run: Run): Promise<void> {
  for (const ending of [FULL, FAILING]) await onDisk(run, ending);
}

async function onDisk(run: Run, ending: Ending): Promise<void> {
  const disk = SmallDisk.mount(ending === FAILING);
  try {
    const directories = [disk.large, join(disk.directory, "data")];
    const roles = "broker,controller";
    const nodes = [1, 2, 3].map(id => ({
      ...({ id, vendor: "samsa", roles } as const),
      settings: id === 3 ? [`log.dirs=${directories.join()}`] : [],
    }));
    // A device tells of a failed write when the records are flushed.
    const topicConfigs = { "flush.messages": "1" };
    const options = {
      nodes,
      directories: new Map([[3, directories]]),
      ...(ending === FAILING ? { topicConfigs } : {}),
    };
    await onStage(run, options, stage => endDisk(run, stage, disk, ending));
  } finally {
    disk.dispose();
  }
}

/** Ends the file system of a log directory under load, undoes it, and starts the node again. */
async function endDisk(run: Run, stage: Stage, disk: SmallDisk, { name, begin, undo }: Ending): Promise<void> {
  const path = join(disk.directory, "data");
  await stage.load("steady");
  for (let round = 0; round < run.rounds; round++) {
    const topics = [{ name: "steady", partitions: [0] }];
    await stage.ask(3, "AlterReplicaLogDirs", 2, { dirs: [{ path, topics }] });
    await until("a replica moves to the small disk", () => existsSync(join(path, "steady-0")));
    await stage.whole();
    stage.mark();
    begin(disk);
    await until("the directory is offline", async () =>
      (await stage.partitions("steady", 1)).some(({ offlineReplicas }) => offlineReplicas.includes(3)),
    );
    await stage.more(STRETCH, "with a directory offline");
    const ms = stage.pauses();
    run.say(`${name}: ${ms.toFixed()} ms without writes`);
    run.holdTime(ms <= PAUSE_MS, `writes pause for ${ms.toFixed()} ms when a disk is ${name}`);
    const rest = await stage.partitions("steady", 1);
    const served = rest.filter(({ isrNodes }) => isrNodes.includes(3)).length;
    run.note(`partitions of the other directory in sync, ${name}:`, served);
    run.hold(served > 0, "the other log directory does not serve");
    await stage.cluster.node(3).stop();
    undo(disk);
    await stage.cluster.node(3).start();
    await stage.whole(true);
    await stage.more(STRETCH, "with a good disk again");
  }
}

/** Damage to a file of a node that does not run. */
interface Damage {
  readonly name: string;
  /** File in the node's directory; undefined: there is none. */
  readonly file: (directory: string) => string | undefined;
  readonly change: (bytes: Buffer) => Buffer;
}

/** Newest file of a folder with an ending. */
function newest(folder: string, ending: string): (directory: string) => string | undefined {
  return directory => {
    const inside = join(directory, folder);
    const name = existsSync(inside)
      ? readdirSync(inside)
          .filter(one => one.endsWith(ending))
          .toSorted()
          .at(-1)
      : undefined;
    return name === undefined ? undefined : join(inside, name);
  };
}

const flip =
  (part: number) =>
  (bytes: Buffer): Buffer => {
    const at = Math.floor((bytes.length - 1) * part);
    const changed = Buffer.from(bytes);
    if (changed.length > 0) changed[at] = (changed[at] ?? 0) ^ 0x10;
    return changed;
  };
const cut = (bytes: Buffer): Buffer => bytes.subarray(0, Math.floor(bytes.length * 0.6));
const garbage = (): Buffer => Buffer.from("\u0000\u0001 this is no such file\n");

const PARTITION = "steady-0";
const METADATA = "__cluster_metadata-0";
const DAMAGES: readonly Damage[] = [
  { name: "a bit of a segment", file: newest(PARTITION, ".log"), change: flip(0.5) },
  { name: "the end of a segment", file: newest(PARTITION, ".log"), change: cut },
  { name: "a bit of an index", file: newest(PARTITION, ".index"), change: flip(0.5) },
  { name: "the end of a time index", file: newest(PARTITION, ".timeindex"), change: cut },
  { name: "a producer snapshot", file: newest(PARTITION, ".snapshot"), change: flip(0.5) },
  { name: "the checkpoint of epochs", file: newest(PARTITION, "leader-epoch-checkpoint"), change: garbage },
  { name: "the checkpoint of recovery points", file: newest("", "recovery-point-offset-checkpoint"), change: garbage },
  { name: "the checkpoint of high watermarks", file: newest("", "replication-offset-checkpoint"), change: garbage },
  { name: "a bit of the metadata log", file: newest(METADATA, ".log"), change: flip(0.9) },
  { name: "the end of the metadata log", file: newest(METADATA, ".log"), change: cut },
  { name: "a bit of a metadata snapshot", file: newest(METADATA, ".checkpoint"), change: flip(0.5) },
  { name: "the state of the quorum", file: newest(METADATA, "quorum-state"), change: garbage },
  { name: "meta.properties", file: newest("", "meta.properties"), change: garbage },
];

/** Starts a node; if it refuses, it must name the file, which is then as it was before. */
async function startDamaged(run: Run, node: MixedNode, { name }: Damage, file: string, whole: Buffer): Promise<string> {
  try {
    await node.start();
    return "repaired";
  } catch (error) {
    const short = file.split("/").at(-1) ?? file;
    run.hold(
      String(error).includes(short),
      `a node does not start over ${name}, and does not say why: ${String(error)}`,
    );
    await node.kill();
    writeFileSync(file, whole);
    await node.start();
    return "refused by name";
  }
}

async function damaged(run: Run): Promise<void> {
  await onStage(run, {}, async stage => {
    await stage.load("steady", "kafkajs");
    for (let round = 0; round < run.rounds; round++) {
      for (const damage of DAMAGES) {
        const { cluster } = stage;
        const node = cluster.node(run.rng.int(1, 3));
        await node.kill();
        const file = damage.file(node.directory);
        if (file === undefined) {
          run.say(`${damage.name}: node ${node.id} has no such file`);
          await node.start();
        } else {
          const before = readFileSync(file);
          writeFileSync(file, damage.change(before));
          run.say(`${damage.name}, node ${node.id}: ${await startDamaged(run, node, damage, file, before)}`);
        }
        await stage.whole(true);
        await stage.more(STRETCH, `after damage to ${damage.name}`);
      }
    }
    stage.pauses();
  });
}

/** Disks that are full, or rot. */
export const DISKS: readonly Scenario[] = [
  {
    id: "R14",
    title: "files are damaged",
    does: `A node is killed, one of its files loses a bit, its end, or all its sense, and the node starts: ${DAMAGES.length} kinds.`,
    rule: "The node repairs the file from the others, or refuses to start and names it; replicas are equal afterwards.",
    runs: "processes",
    play: damaged,
  },
  {
    id: "R20",
    title: "a disk is full, or fails",
    does:
      "One of two log directories of a node, a file system of 64 MiB, fills up under load (ENOSPC); later there is room " +
      "again. On another cluster its device fails (EIO), and is replaced.",
    rule: `The directory goes offline, the other one serves, writes pause for at most ${PAUSE_MS / 1000} s, and nothing is lost.`,
    runs: "processes",
    play: badDisk,
  },
];
