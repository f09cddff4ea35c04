import { ignored } from "@samsa/base";
import { World } from "@samsa/sim";
import { scramKeys } from "@samsa/sasl";
import { expect, test } from "vitest";
import { firstCredentials } from "../src/first-credentials.ts";
import { StorageError } from "../src/first-quorum.ts";
import { formatStorage } from "../src/format.ts";
import { Node } from "../src/node.ts";

const MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule";
const FLAG = "SCRAM-SHA-256=[name=admin,password=secret]";
const SALTED = 'SCRAM-SHA-512=[name=bob,iterations=8192,salt="N3E=",saltedpassword="YCE="]';
const { env: host } = new World(1).node("host");

const settingsOf = (ids: readonly number[], id: number, password: string): Map<string, string> =>
  new Map(
    Object.entries({
      "node.id": String(id),
      "process.roles": "broker,controller",
      listeners: `EXT://n${id}:9092,CONTROLLER://n${id}:9093`,
      "listener.security.protocol.map": "EXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
      "inter.broker.listener.name": "EXT",
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.voters": ids.map(voter => `${voter}@n${voter}:9093`).join(),
      "log.dirs": "/data",
      "sasl.enabled.mechanisms": "SCRAM-SHA-256",
      "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
      "sasl.mechanism.controller.protocol": "SCRAM-SHA-256",
      "listener.name.ext.scram-sha-256.sasl.jaas.config": `${MODULE} required username="admin" password="${password}";`,
      "listener.name.controller.scram-sha-256.sasl.jaas.config": `${MODULE} required username="admin" password="${password}";`,
    }),
  );

/** Formats the nodes of a cluster whose listeners are all secured with SCRAM, and starts them. */
function start(
  world: World,
  ids: readonly number[],
  passwords: readonly string[],
  warn: (text: string, node: number) => void = () => undefined,
): readonly Promise<Node>[] {
  return ids.map(async (id, i) => {
    const settings = settingsOf(ids, id, passwords[i] ?? "secret");
    const { env: own } = world.node(`n${id}`);
    const warned = (message: string, fields: unknown) => warn(`${message}: ${JSON.stringify(fields)}`, id);
    const env = { ...own, logger: { ...own.logger, warn: warned } };
    const credentials = await firstCredentials(env, [FLAG, SALTED]);
    formatStorage(env, { settings, credentials, clusterId: "c", ignoreFormatted: false, features: [] });
    return Node.start(env, { settings });
  });
}

test.each([[[1]], [[1, 2, 3]]])("nodes %j that log in with SCRAM find one another", async ids => {
  const world = new World(1);
  const nodes = await world.settle(Promise.all(start(world, ids, [])));
  const registered = (node: Node): number => node.broker.topics.image.brokers.size;
  await world.runUntil(() => nodes.every(node => registered(node) === ids.length));
  for (const node of nodes) {
    const users = [...node.broker.topics.image.scram.values()].map(({ name, iterations }) => [name, iterations]);
    expect(users).toEqual([
      ["admin", 4096],
      ["bob", 8192],
    ]);
  }
  await world.settle(Promise.all(nodes.map(node => node.close())));
});

test("a node with a wrong password stays outside, and the others go on without it", async () => {
  const world = new World(1);
  const warnings: string[] = [];
  const [first, second, stranger] = start(world, [1, 2, 3], ["secret", "secret", "wrong"], (text, node) => {
    if (node === 3 && text.startsWith("there is no connection")) warnings.push(text);
  });
  const nodes = await world.settle(Promise.all([first!, second!]));
  let isIn = false;
  stranger!.then(() => (isIn = true), ignored("a node that stays outside may end"));
  await world.runFor(20_000);
  expect(isIn).toBe(false);
  expect(warnings.length, "one of each node, and no more in a minute").toBeGreaterThan(0);
  expect(new Set(warnings).size).toBe(warnings.length);
  for (const text of warnings) expect(text).toMatch(/n[12]:909[23] refuses the credentials of user admin/);
  expect(nodes.map(node => [...node.broker.topics.image.brokers.keys()].toSorted((a, b) => a - b))).toEqual([
    [1, 2],
    [1, 2],
  ]);
  await world.settle(Promise.all(nodes.map(node => node.close())));
  world.crash("n3", { unsynced: "cached" });
});

test("a flag becomes a record with the keys of its password", async () => {
  const given = await firstCredentials(host, ["SCRAM-SHA-256=[name=admin,password=secret,salt=AAECAw==]", SALTED]);
  const salt = Uint8Array.of(0, 1, 2, 3);
  const salted = await host.crypto.deriveKey("SHA-256", Buffer.from("secret"), salt, 4096);
  const keys = scramKeys(host.crypto, 1, salted);
  expect(given.map(({ value }) => value)).toEqual([
    { name: "admin", mechanism: 1, salt, iterations: 4096, ...keys },
    {
      ...{ name: "bob", mechanism: 2, salt: Uint8Array.from(Buffer.from("N3E=", "base64")), iterations: 8192 },
      ...scramKeys(host.crypto, 2, Buffer.from("YCE=", "base64")),
    },
  ]);
  const [one, other] = await firstCredentials(host, [FLAG, ` ${FLAG} `]);
  expect(one?.value, "a salt of its own").not.toEqual(other?.value);
});

test.each([
  ["SCRAM-SHA-256", "Failed to find equals sign in SCRAM argument 'SCRAM-SHA-256'"],
  ["SCRAM-SHA-1=[name=a,password=b]", "The add-scram mechanism SCRAM-SHA-1 is not supported."],
  ["SCRAM-SHA-256=name=a,password=b]", "Expected configuration string to start with ["],
  ["SCRAM-SHA-256=[name=a,password=b", "Expected configuration string to end with ]"],
  ["SCRAM-SHA-256=[", "Expected configuration string to end with ]"],
  ["SCRAM-SHA-256=[]", "No equals sign found in SCRAM component: "],
  ["SCRAM-SHA-256=[name=a,,password=b]", "No equals sign found in SCRAM component: "],
  ["SCRAM-SHA-256=[password=b]", "You must supply 'name' to add-scram"],
  ["SCRAM-SHA-256=[name=a]", "You must supply one of 'password' or 'saltedpassword' to add-scram"],
  ["SCRAM-SHA-256=[name=a,password=]", "The password of add-scram must not be empty."],
  ["SCRAM-SHA-256=[name=a,saltedpassword=YCE=]", "You must supply 'salt' with 'saltedpassword' to add-scram"],
  ["SCRAM-SHA-256=[name=a,salt=$,password=b]", "Failed to decode given salt: $"],
  ["SCRAM-SHA-256=[name=a,salt=YCE=,saltedpassword=$]", "Failed to decode given saltedPassword: $"],
  ["SCRAM-SHA-256=[name=a,password=b,iterations=x]", "Failed to parse iterations count: x"],
  ["SCRAM-SHA-256=[name=a,password=b,iterations=99999999999]", "Failed to parse iterations count: 99999999999"],
  [
    "SCRAM-SHA-256=[name=a,password=b,iterations=4095]",
    "The 'iterations' value must be >= 4096 for add-scram using SCRAM-SHA-256",
  ],
  [
    "SCRAM-SHA-512=[name=a,password=b,iterations=16385]",
    "The 'iterations' value must be <= 16384 for add-scram using SCRAM-SHA-512",
  ],
  ["SCRAM-SHA-256=[name=a,password=b,x=1,c=2]", "Unknown SCRAM configurations: c, x"],
  ["SCRAM-SHA-256=[name=a,password=b,salt=YCE=,saltedpassword=YCE=]", "Unknown SCRAM configurations: saltedpassword"],
])("%s is refused", async (flag, why) => {
  await expect(firstCredentials(host, [flag])).rejects.toThrow(new StorageError(why));
});

test("a cluster of an old release has no credentials", async () => {
  const credentials = await firstCredentials(host, [FLAG]);
  const settings = settingsOf([1], 1, "secret");
  const { env } = new World(1).node("n1");
  const format = (releaseVersion: string) =>
    formatStorage(env, { settings, credentials, releaseVersion, clusterId: "c", ignoreFormatted: false, features: [] });
  expect(() => format("3.4")).toThrow("SCRAM is only supported in metadata.version 3.5-IV2 or later.");
  expect(env.disk.list("/")).toEqual([]);
  expect(format("3.5").at(-1)).toContain("Formatting");
});
