import { until } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { onStage, SHORT_SESSIONS, type Stage } from "../stage/stage.ts";
import { TxnClient } from "../stage/txn-client.ts";
import { batchOf, connectAs } from "../stage/wire.ts";

const PAUSE_MS = 10_000;
const SESSION_MS = 6000;
const GROUP = "heirs";
const TOPIC = "zombies";
/** Type of the key of FindCoordinator. */
const GROUP_KEY = 0;

/** Fences a producer by its next life, and lets it try everything afterwards. */
async function oldProducer(run: Run, stage: Stage): Promise<void> {
  const client = new TxnClient(stage, "heir");
  const old = await client.init();
  run.hold((await client.produce(old, TOPIC, ["1:aborted"])) === 0, "the first producer cannot write");
  const heir = await new TxnClient(stage, "heir").init();
  const codes = [
    await client.produce(old, TOPIC, ["2:zombie"]),
    await client.add(old, TOPIC),
    (await client.end(old, true)).errorCode,
    (await client.end(old, false, 3)).errorCode,
  ];
  run.note("answers to an old epoch:", codes.join(" "));
  run.hold(!codes.includes(0), `a producer with an old epoch is served: ${codes.join()}`);
  client.newEpoch(heir);
  run.hold((await client.produce(heir, TOPIC, ["3:heir"])) === 0, "the second producer cannot write");
  run.hold((await client.end(heir, true)).errorCode === 0, "the second producer cannot commit");
  const values = (await stage.readAll(TOPIC, true)).map(({ value }) => value);
  run.hold(values.join() === "3:heir", `readers of committed records find ${values.join()}`);
  run.hold(!(await stage.readAll(TOPIC)).some(({ value }) => value === "2:zombie"), "a zombie has written");
}

async function coordinatorOf(stage: Stage): Promise<string> {
  const body = { keyType: GROUP_KEY, coordinatorKeys: [GROUP] };
  let found = "";
  await until("the group has a coordinator", async () => {
    const { coordinators } = await stage.ask(stage.anyone.id, "FindCoordinator", 4, body);
    const [first] = coordinators;
    found = `${first?.host}:${first?.port}`;
    return first?.errorCode === 0;
  });
  return found;
}

const JOIN = {
  groupId: GROUP,
  sessionTimeoutMs: SESSION_MS,
  rebalanceTimeoutMs: SESSION_MS,
  groupInstanceId: null,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: new Uint8Array(0) }],
};

/** Joins the group, and leads it if it is alone. */
async function join(server: string): Promise<{ memberId: string; generationId: number }> {
  const connection = await connectAs("member", server, 60_000);
  try {
    let joined = { memberId: "", generationId: -1 };
    await until("a member joins", async () => {
      const answer = await connection.ask("JoinGroup", 5, { ...JOIN, memberId: joined.memberId });
      joined = { memberId: answer.memberId, generationId: answer.generationId };
      return answer.errorCode === 0;
    });
    const assignments = [{ memberId: joined.memberId, assignment: new Uint8Array(0) }];
    await connection.ask("SyncGroup", 3, { ...joined, groupId: GROUP, groupInstanceId: null, assignments });
    return joined;
  } finally {
    connection.close();
  }
}

/** Lets a member of a group fall silent, and commit after another one has taken its place. */
async function oldMember(run: Run, stage: Stage): Promise<void> {
  const server = await coordinatorOf(stage);
  const old = await join(server);
  const heir = await join(server);
  run.hold(heir.generationId > old.generationId, "the group has no other generation");
  const client = new TxnClient(stage, "commits");
  const producer = await client.init();
  const commit = async ({ memberId, generationId }: typeof old, offset: number): Promise<number> => {
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: "" }];
    const body = {
      groupId: GROUP,
      memberId,
      generationIdOrMemberEpoch: generationId,
      topics: [{ name: TOPIC, partitions }],
    };
    const connection = await connectAs("member", server);
    try {
      const { topics } = await connection.ask("OffsetCommit", 8, body);
      return topics[0]?.partitions[0]?.errorCode ?? -1;
    } finally {
      connection.close();
    }
  };
  const txnCommit = async ({ memberId, generationId }: typeof old): Promise<number> => {
    const partitions = [{ partitionIndex: 0, committedOffset: 77, committedMetadata: "" }];
    const ids = { groupId: GROUP, transactionalId: "commits", memberId, generationIdOrMemberEpoch: generationId };
    const connection = await connectAs("member", server);
    try {
      const body = { ...ids, ...producer, topics: [{ name: TOPIC, partitions }] };
      const { topics } = await connection.ask("TxnOffsetCommit", 5, body);
      return topics[0]?.partitions[0]?.errorCode ?? -1;
    } finally {
      connection.close();
    }
  };
  const codes = [await commit(old, 99), await txnCommit(old)];
  run.note("answers to an old member:", codes.join(" "));
  run.hold(!codes.includes(0), `an old member commits: ${codes.join()}`);
  run.hold((await commit(heir, 5)) === 0, "the other member cannot commit");
}

/** Pauses the leader's process, and sends it records that it finds when it goes on. */
async function oldLeader(run: Run, stage: Stage): Promise<void> {
  const leader = await stage.leader("steady");
  stage.mark();
  leader.pause();
  stage.asleep.add(leader.id);
  const values = Array.from({ length: 20 }, (_, i) => `${i}:sent to a paused leader`);
  const asking = values.map(async value => {
    const connection = await connectAs("patient", leader.broker ?? "", 60_000);
    try {
      const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records: [batchOf([value])] }] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData };
      const { responses } = await connection.ask("Produce", 9, body);
      return responses[0]?.partitionResponses[0]?.errorCode === 0 ? [value] : [];
    } finally {
      connection.close();
    }
  });
  await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
  await stage.writers[0]?.more(50, "while the leader is paused");
  leader.resume();
  stage.asleep.delete(leader.id);
  const acknowledged = (await Promise.all(asking)).flat();
  await stage.whole(true);
  await stage.more(50, "after the pause");
  const log = new Set((await stage.readAll(TOPIC)).map(({ value }) => value));
  const lost = acknowledged.filter(value => !log.has(value));
  run.note("acknowledged by a leader that was paused:", acknowledged.length);
  run.hold(lost.length === 0, `${lost.length} records that a paused leader has acknowledged are lost`);
  stage.pauses();
}

async function zombies(run: Run): Promise<void> {
  await onStage(run, { settings: SHORT_SESSIONS }, async stage => {
    await stage.createTopic(TOPIC, { partitions: 1 });
    await stage.load("steady");
    await oldProducer(run, stage);
    await oldMember(run, stage);
    for (let round = 0; round < run.rounds; round++) await oldLeader(run, stage);
  });
}

/** Clients and nodes that go on after others have taken their place. */
export const ZOMBIES: readonly Scenario[] = [
  {
    id: "R16",
    title: "zombies",
    does:
      "A transactional producer goes on after its next life has begun, a member of a group after its session, and the " +
      `process of a leader after a pause of ${PAUSE_MS / 1000} s.`,
    rule: "All are fenced; nothing is written or committed with an old epoch or generation; nothing acknowledged is lost.",
    runs: "processes",
    play: zombies,
  },
];
