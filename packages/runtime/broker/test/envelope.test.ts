import { Apis } from "@samsa/protocol";
import { expect, test } from "vitest";
import { openEnvelope, sealEnvelope } from "../src/controller/envelope.ts";

test.each([
  ["127.0.0.1", "127.0.0.1"],
  // A dual-stack socket shows the addresses of IPv4 clients so.
  ["::ffff:10.1.2.3", "10.1.2.3"],
  ["2001:db8::5", "2001:db8:0:0:0:0:0:5"],
  ["fe80::1%lo", "fe80:0:0:0:0:0:0:1"],
  ["broker-1", "0.0.0.0"],
])("an envelope of a client at %s has the address %s, the user and the request", (host, expected) => {
  const client = { user: "ann", byToken: true, host, clientId: "c", version: 5 };
  const sealed = sealEnvelope("DeleteTopics", { topicNames: ["t"], timeoutMs: 7 }, client, 3);
  const opened = openEnvelope(sealed);
  expect(opened).toMatchObject({
    user: "ann",
    byToken: true,
    host: expected,
    head: { clientId: "c", version: 5, correlationId: 3 },
  });
  expect(Apis.DeleteTopics.request.decode(opened.body, 5)).toMatchObject({ topicNames: ["t"], timeoutMs: 7 });
});
