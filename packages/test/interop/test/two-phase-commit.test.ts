import { ApiKey } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { expect, test } from "vitest";
import { connect } from "../src/differential/connection.ts";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

const NEWEST = 6;
const ENDLESS_MS = 2_147_483_647;
const UNSTABLE = "unstable.api.versions.enable=true";
const TWO_PHASE = "transaction.two.phase.commit.enable=true";

/** Requests to initialize a producer, and what differs from the plain one. */
const INITS: readonly (readonly [id: string | null, draft: object])[] = [
  ["a", {}],
  ["a", { enable2Pc: true }],
  ["b", { enable2Pc: true, transactionTimeoutMs: 0 }],
  ["b", { enable2Pc: true, transactionTimeoutMs: 2_000_000_000 }],
  ["b", { transactionTimeoutMs: 0 }],
  ["c", { keepPreparedTxn: true }],
  ["c", { enable2Pc: true, keepPreparedTxn: true }],
  ["", { enable2Pc: true }],
  ["", { keepPreparedTxn: true }],
  [null, { enable2Pc: true, keepPreparedTxn: true }],
  ["d", { enable2Pc: true, producerId: 5n }],
];
/** NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS. */
const LATER: readonly number[] = [14, 15, 16];

async function initialized(wire: RawConnection, id: string | null, draft: object): Promise<number> {
  const request = { transactionalId: id, transactionTimeoutMs: 60_000, ...draft };
  for (;;) {
    const { errorCode } = await wire.ask("InitProducerId", NEWEST, request);
    if (!LATER.includes(errorCode)) return errorCode;
    await wire.ask("FindCoordinator", 6, { keyType: 1, coordinatorKeys: [id ?? "x"] });
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

async function answers(server: string): Promise<unknown[]> {
  const wire = await connect(server);
  const { apiKeys } = await wire.ask("ApiVersions", 4, { clientSoftwareName: "t", clientSoftwareVersion: "1" });
  const all: unknown[] = [apiKeys.find(({ apiKey }) => apiKey === ApiKey.InitProducerId)?.maxVersion];
  await wire.ask("FindCoordinator", 6, { keyType: 1, coordinatorKeys: ["a"] });
  for (const [id, draft] of INITS) all.push(await initialized(wire, id, draft));
  for (const id of ["a", "b"]) {
    const { transactionStates } = await wire.ask("DescribeTransactions", 0, { transactionalIds: [id] });
    all.push(transactionStates.map(({ errorCode, transactionTimeoutMs }) => [errorCode, transactionTimeoutMs]));
  }
  wire.close();
  return all;
}

test.for([
  ["enabled", [UNSTABLE, TWO_PHASE]],
  ["not enabled", [UNSTABLE]],
] as const)("two-phase commit (KIP-939), %s, is as in Apache Kafka", async ([name, settings], context) => {
  need(await findJava(), context);
  const heard: unknown[][] = [];
  for (const start of [() => KafkaProcess.start("fixed", settings), () => SamsaProcess.start(undefined, settings)]) {
    const broker = await start();
    try {
      heard.push(await answers(broker.server));
    } finally {
      await broker.dispose();
    }
  }
  const [theirs, ours] = heard;
  expect(ours).toEqual(theirs);
  const isEnabled = name === "enabled";
  expect([theirs[0], theirs[2], theirs.at(-2)]).toEqual([
    6,
    isEnabled ? 0 : 53,
    [[0, isEnabled ? ENDLESS_MS : 60_000]],
  ]);
});
