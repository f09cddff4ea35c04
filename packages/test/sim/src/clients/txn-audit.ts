import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { CommittedReader } from "./committed-reader.ts";
import { copiedTo, takeOver } from "./copier.ts";
import { Prng } from "../world/prng.ts";
import { COPY_PARTITIONS, COPY_TOPIC } from "../ledgers/txn-ledger.ts";

/** Creates the topic and finds the coordinator that copiers need; false when either failed. */
export async function prepareCopies(client: Client, rng: Prng): Promise<boolean> {
  const configs = [
    { name: "segment.ms", value: "250" },
    { name: "index.interval.bytes", value: "150" },
  ];
  if (rng.chance(0.6)) {
    configs.push({ name: "cleanup.policy", value: "compact" }, { name: "min.cleanable.dirty.ratio", value: "0.01" });
    configs.push({ name: "delete.retention.ms", value: rng.chance(0.5) ? "100" : "86400000" });
  }
  if (rng.chance(0.4)) configs.push({ name: "internal.segment.bytes", value: String(rng.int(400, 2000)) });
  const topic = {
    name: COPY_TOPIC,
    numPartitions: COPY_PARTITIONS.length,
    replicationFactor: 1,
    assignments: [],
    configs,
  };
  const answer = await client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
  const created = answer?.topics[0]?.errorCode;
  if (created !== 0 && created !== Errors.TOPIC_ALREADY_EXISTS.code) return false;
  const found = await client.ask(CALLS.findCoordinator, { key: "copy0", keyType: 0 });
  return found?.errorCode === 0;
}

/** Ends all transactions, reads all committed records and checks them; false when an answer is missing. */
export async function auditCopies(
  stage: ConstructorParameters<typeof CommittedReader>[0],
  client: Client,
): Promise<boolean> {
  const offsets = new Map<string, number>();
  for (const id of ["copy0", "copy1"]) {
    if ((await takeOver(client, id)) === undefined) return false;
    const offset = await copiedTo(client, id);
    if (offset === undefined) return false;
    offsets.set(id, offset);
  }
  const reader = new CommittedReader(stage, client, new Prng("audit"));
  if (!(await reader.readThrough())) return false;
  stage.txns.closed(offsets);
  return true;
}
