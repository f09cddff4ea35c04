import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const PACKAGE = join(import.meta.dirname, "..");
const ROOT = join(PACKAGE, "../../..");

const HEAD = `
import { heartbeat, leaveGroup } from "../src/api/groups/groups.ts";
import { consumerGroupDescribe } from "../src/api/groups/consumer-groups.ts";
import { deleteRecords } from "../src/api/records/delete-records.ts";
import { apisOn } from "../src/request/api-row.ts";
import { forward, serve } from "../src/apis.ts";
import { control } from "../src/controller/controller-row.ts";
import type { BrokerParts } from "../src/api/parts.ts";
import type { Handler } from "../src/request/handler.ts";
type Nothing = Record<never, never>;
`;

/** Compiles each source as a file of its own; returns compiler errors by source name. */
function complaints(sources: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const folder = mkdtempSync(join(PACKAGE, ".types-"));
  try {
    for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, `${name}.ts`), HEAD + text);
    const config = {
      extends: "../../../../tsconfig.pure.json",
      compilerOptions: { noEmit: true, composite: false, noUnusedLocals: false },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    const lines = stdout.split("\n");
    return Object.fromEntries(
      Object.keys(sources).map(name => [name, lines.filter(line => line.includes(`/${name}.ts(`)).join("\n")]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Runs the compiler, because the promise is that such a row or handler does not compile.
test("a row with another API's handler, a wrong reply or a wrong column does not compile", () => {
  const found = complaints({
    right: 'serve("Heartbeat", heartbeat); serve("LeaveGroup", leaveGroup);',
    swapped: 'serve("Heartbeat", leaveGroup);',
    // The requests of these APIs have the same fields.
    alike: 'serve("ShareGroupDescribe", consumerGroupDescribe, { topics: { operation: "DESCRIBE" } });',
    fine: `export const handler: Handler<"DeleteGroups", Nothing> = (_parts, { groupsNames }, _context, reply) =>
      reply({ throttleTimeMs: 0, results: groupsNames.map(groupId => ({ groupId, errorCode: 0 })) });`,
    misspelt: `export const handler: Handler<"DeleteGroups", Nothing> = (_parts, { groupsNames }, _context, reply) =>
      reply({ throttleTimeMs: 0, results: groupsNames.map(groupId => ({ groupID: groupId, errorCode: 0 })) });`,
    extra: `export const handler: Handler<"Heartbeat", Nothing> = (_parts, _request, _context, reply) => {
      const response = { throttleTimeMs: 0, errorCode: 0, errorMessage: "" };
      reply(response);
    };`,
    missing: `export const handler: Handler<"DeleteGroups", Nothing> = (_parts, { groupsNames }, _context, reply) =>
      reply({ throttleTimeMs: 0, results: groupsNames.map(groupId => ({ groupId })) });`,
    permission: 'serve("ListGroups", undefined as never, { permission: ["LIST", "CLUSTER"] });',
    listener: 'apisOn("client", []);',
    // Only controllers serve heartbeats of brokers, and only brokers those of members.
    elsewhere: 'serve("BrokerHeartbeat", undefined as never); control("Heartbeat");',
    forwarding: 'forward("BrokerHeartbeat"); forward("Heartbeat");',
    throttle: 'serve("Heartbeat", heartbeat, { throttle: "never" });',
    known: 'serve("DeleteRecords", deleteRecords, { topics: { operation: "DELETE" } });',
    operation: 'serve("DeleteRecords", deleteRecords, { topics: { operation: "ERASE" } });',
    // No topic supports this operation.
    unsupported: 'serve("DeleteRecords", deleteRecords, { topics: { operation: "CLUSTER_ACTION" } });',
    undeclared: 'serve("DeleteRecords", deleteRecords);',
    needless: 'serve("Heartbeat", heartbeat, { topics: { operation: "READ" } });',
    around: `export const handler: Handler<"Heartbeat", Pick<BrokerParts, "topics">> = ({ topics }) =>
      void topics.partition("topic", 0);`,
  });
  expect(found.right).toBe("");
  expect(found.fine).toBe("");
  expect(found.swapped).toContain(`Handler<"LeaveGroup"`);
  expect(found.alike).toContain(`Handler<"ConsumerGroupDescribe"`);
  expect(found.misspelt).toContain("groupID");
  expect(found.extra).not.toBe("");
  expect(found.missing).toContain("errorCode");
  expect(found.permission).toContain('"LIST"');
  expect(found.listener).toContain('"client"');
  expect(found.elsewhere).toContain('"BrokerHeartbeat"');
  expect(found.elsewhere).toContain('"Heartbeat"');
  expect(found.forwarding).toContain('"BrokerHeartbeat"');
  expect(found.forwarding).toContain('"Heartbeat"');
  expect(found.throttle).toContain('"never"');
  expect(found.known).toBe("");
  expect(found.operation).toContain('"ERASE"');
  expect(found.unsupported).toContain('"CLUSTER_ACTION"');
  expect(found.undeclared).toContain("Expected 3 arguments");
  expect(found.needless).toContain("'topics' does not exist");
  expect(found.around).toContain("'partition' does not exist");
});
