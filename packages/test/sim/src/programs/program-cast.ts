import type { Prng } from "../world/prng.ts";
import { Copier } from "./copier.ts";
import { Follower } from "./follower.ts";
import { type GroupPlan, Member } from "./member.ts";
import type { Program, ProgramStage } from "./program.ts";
import type { Subject } from "./sending.ts";
import { SharedRecords, Sharer } from "./sharer.ts";
import { Transactor } from "./transactor.ts";
import { Writer } from "./writer.ts";

const PLAIN: Subject = { name: "plain", partitions: 2 };
const TRANSACTED: Subject = { name: "transacted", partitions: 2 };
const INPUT: Subject = { name: "input", partitions: 2 };
const OUTPUT: Subject = { name: "output", partitions: 2 };
const SHARED: Subject = { name: "shared", partitions: 2 };

/** Group of programs, and what it reads. */
export interface Team {
  readonly plan: GroupPlan;
  readonly members: readonly Program[];
}

/** Programs of a scenario. */
export interface ProgramCast {
  /** Programs whose records others read. */
  readonly writers: readonly Program[];
  readonly readers: readonly Program[];
  /** Programs that have the transactional id of another one, and end by themselves. */
  readonly twins: readonly Program[];
  readonly teams: readonly Team[];
  readonly sharers: readonly Program[];
  readonly shared: SharedRecords;
  readonly subjects: readonly Subject[];
  /** Topic whose records are copied, and the one that they are copied to. */
  readonly copies: { readonly from: Subject; readonly to: Subject } | undefined;
}

type Story = "group" | "transactions" | "copies" | "shares";

/** Draws one or two stories: few programs act more often. */
function storiesOf(rng: Prng): ReadonlySet<Story> {
  const all: Story[] = ["group", "group", "transactions", "copies", "shares"];
  const first = rng.oneOf(all);
  return new Set(rng.chance(0.4) ? [first, rng.oneOf(all)] : [first]);
}

function planOf(rng: Prng, of: Pick<GroupPlan, "groupId" | "topics" | "isCommittedOnly" | "autoCommit">): GroupPlan {
  return {
    ...of,
    protocol: rng.oneOf(["classic", "consumer"]),
    assignors: rng.oneOf([["range", "cooperative-sticky"], ["cooperative-sticky"], ["range"], ["roundrobin"]] as const),
  };
}

/** Draws the programs of a scenario. */
export function programCast(stage: ProgramStage, rng: Prng): ProgramCast {
  const stories = storiesOf(rng);
  const writers: Program[] = [];
  const readers: Program[] = [];
  const twins: Program[] = [];
  const teams: Team[] = [];
  const sharers: Program[] = [];
  const subjects: Subject[] = [];
  const shared = new SharedRecords(stage);
  const write = (subject: Subject, count: number, isIdempotent = true): void => {
    for (let i = 0; i < count; i++) {
      const name = `${isIdempotent ? "writer" : "plainwriter"}-${subject.name}${i}`;
      writers.push(new Writer(name, stage, { subject, isIdempotent }));
    }
    if (!subjects.includes(subject)) subjects.push(subject);
  };
  if (stories.has("transactions")) {
    const options = { subject: TRANSACTED, transactionalId: "id0", most: Infinity };
    subjects.push(TRANSACTED);
    writers.push(new Transactor("transactor0", stage, options));
    if (rng.chance(0.5)) writers.push(new Transactor("transactor1", stage, { ...options, transactionalId: "id1" }));
    if (rng.chance(0.4)) twins.push(new Transactor("twin", stage, { ...options, most: rng.int(1, 6) }));
  }
  if (stories.has("group")) {
    write(PLAIN, rng.int(1, 2));
    if (rng.chance(0.2)) write(PLAIN, 1, false);
    const topics = stories.has("transactions") ? [PLAIN.name, TRANSACTED.name] : [PLAIN.name];
    const facts = { groupId: "members", topics, isCommittedOnly: rng.chance(0.5), autoCommit: rng.chance(0.6) };
    const plan = planOf(rng, facts);
    const areStatic = rng.chance(0.25);
    const members = Array.from({ length: rng.int(1, 3) }, (_, i) => {
      return new Member(`member${i}`, stage, plan, areStatic ? `place${i}` : null);
    });
    teams.push({ plan, members });
    readers.push(...members);
  }
  if (stories.has("copies")) {
    write(INPUT, 1);
    subjects.push(OUTPUT);
    const facts = { groupId: "copiers", topics: [INPUT.name], isCommittedOnly: true, autoCommit: false };
    const plan = planOf(rng, facts);
    const members = Array.from({ length: rng.int(1, 2) }, (_, i) => {
      return new Copier(`copier${i}`, stage, { plan, target: OUTPUT });
    });
    teams.push({ plan, members });
    readers.push(...members);
  }
  if (stories.has("shares")) {
    write(SHARED, 1);
    for (let i = rng.int(1, 3); i > 0; i--) {
      sharers.push(new Sharer(`sharer${i}`, stage, { topics: [SHARED.name], shared }));
    }
    readers.push(...sharers);
  }
  const followed = subjects.filter(subject => subject === PLAIN || subject === TRANSACTED);
  if (followed.length > 0 && (stories.has("transactions") || rng.chance(0.4))) {
    readers.push(new Follower("follower", stage, { subjects: followed, isCommittedOnly: rng.chance(0.7) }));
  }
  const copies = stories.has("copies") ? { from: INPUT, to: OUTPUT } : undefined;
  return { writers, readers, twins, teams, sharers, shared, subjects, copies };
}
