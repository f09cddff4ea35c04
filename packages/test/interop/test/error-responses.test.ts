import { ByteReader, ByteWriter } from "@samsa/base";
import { servedApis } from "@samsa/broker";
import {
  Apis,
  Errors,
  requestHeader,
  requestHeaderVersion,
  responseHeader,
  responseHeaderVersion,
} from "@samsa/protocol";
import { expect, test } from "vitest";
import { edgeRequests, ID } from "../src/differential/edge-requests.ts";
import { MessageJson } from "../src/differential/message-json.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { tools } from "./batch-streams.ts";
import { need } from "./scenarios.ts";

const TOPIC_ID = "AQIDBAUGBwgJCgsMDQ4PEA";

/** The body with an id in place of each name of a topic, and a number in place of each `$n`. */
function settled<T>(body: T): T {
  const text = JSON.stringify(body, (_key, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
  return JSON.parse(text.replaceAll(new RegExp(`"${ID.replace("$", "\\$")}[^"]*"`, "g"), `"${TOPIC_ID}"`)) as T;
}

/** The response as text, without records. Both have a message or none; its words are each broker's own. */
function textOf(response: unknown): string {
  return JSON.stringify(response, (key, value: unknown) =>
    key === "errorMessage" && typeof value === "string" && value !== ""
      ? "said"
      : key === "records"
        ? undefined
        : value,
  );
}

test("a request that fails as a whole is answered as Kafka answers it", async context => {
  const program = need(await findOurJava(), context)("MessageJson");
  const kafka = new MessageJson(program);
  const differences: string[] = [];
  let compared = 0;
  for (const api of servedApis({ telemetry: true }).values()) {
    for (const { version, body: asked, edge } of edgeRequests(Apis[api.name], api, tools)) {
      if (edge !== "") continue;
      const body = settled(asked);
      const frame = await kafka.encode(api.name, version, body, 7);
      if (frame instanceof Error) continue;
      const reader = new ByteReader(frame);
      requestHeader.decode(reader, requestHeaderVersion(api.key, version));
      const request = api.request.decode(reader, version);
      for (const error of [Errors.UNKNOWN_SERVER_ERROR, Errors.CLUSTER_AUTHORIZATION_FAILED]) {
        const theirs = await kafka.failure(api.name, version, body, error.code);
        const response = api.failure(request, { ...error, detail: null }, version);
        let ours: unknown = null;
        if (response !== null) {
          const writer = new ByteWriter();
          responseHeader.encode(writer, { correlationId: 7 }, responseHeaderVersion(api.key, version));
          api.response.encode(writer, response, version);
          ours = await kafka.decode(api.name, version, writer.finish());
        }
        compared++;
        const [one, other] = [ours, theirs].map(textOf);
        if (one !== other) differences.push(`${api.name} ${version}, error ${error.code}:\n- ${one}\n+ ${other}`);
      }
    }
  }
  await kafka.close();
  expect(differences).toEqual([]);
  expect(compared).toBeGreaterThan(380);
});
