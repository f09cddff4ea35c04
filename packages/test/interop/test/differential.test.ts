import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { apiOf } from "@samsa/protocol";
import { expect, test } from "vitest";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { compare, type Difference, Side } from "../src/differential/differential.ts";
import { explanationOf } from "../src/differential/differential-explanations.ts";
import { edgeRequests } from "../src/differential/edge-requests.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { MessageJson } from "../src/differential/message-json.ts";
import { findJava, findOurJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

/** Settings of Kafka's properties file, for Samsa too, so that both have the same internal logs. */
const SETTINGS = [
  "offsets.topic.num.partitions=1",
  "transaction.state.log.num.partitions=1",
  "share.coordinator.state.topic.num.partitions=1",
];

const told = ({ request, theirs, ours }: Difference): string =>
  `${request.api.name} ${request.version} ${request.edge}\n  theirs ${theirs}\n  ours   ${ours}`;

test("every API and version answers plain and edge values as Kafka does", async context => {
  need(await findJava(), context);
  const program = need(await findOurJava(), context)("MessageJson");
  const [kafka, samsa] = await Promise.all([KafkaProcess.start("changing"), SamsaProcess.start(undefined, SETTINGS)]);
  const json = new MessageJson(program);
  const [theirs, ours] = [kafka, samsa].map(({ server }) => new Side(server, json));
  try {
    await Promise.all([theirs.prepare(), ours.prepare()]);
    const [known, served] = await Promise.all([theirs.announced(), ours.announced()]);
    const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
    const requests = [...served].flatMap(([key, span]) => {
      const api = apiOf(key);
      return api === undefined || !known.has(key) ? [] : edgeRequests(api, span, tools);
    });
    console.log(`differential: ${requests.length} requests`);
    expect(requests.length).toBeGreaterThan(2000);
    const differences = await compare(requests, theirs, ours);
    expect(differences.filter(one => explanationOf(one) === undefined).map(told)).toEqual([]);
  } finally {
    theirs.close();
    ours.close();
    await json.close();
    await Promise.all([kafka.dispose(), samsa.dispose()]);
  }
});
