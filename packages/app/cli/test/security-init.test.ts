import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseProperties } from "@samsa/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { planNodes, type SecureShape } from "../src/security/secure-plan.ts";
import { MAIN } from "./bundle.ts";

const shapeOf = (nodes: number, hosts?: readonly string[], more: Partial<SecureShape> = {}): SecureShape => ({
  ...{ nodes, hosts, hostName: "here", port: 9092, controllerPort: 19092 },
  ...more,
});

describe("the plan of a secured cluster", () => {
  test("has all nodes on one machine, with ports that are counted up, or one on each", () => {
    const own = ["localhost", "127.0.0.1", "::1", "here"];
    expect(planNodes(shapeOf(4)).map(({ hosts, port, isController }) => [hosts, port, isController])).toEqual([
      [own, 9092, true],
      [own, 9093, true],
      [own, 9094, true],
      [own, 9095, false],
    ]);
    const places = (shape: SecureShape) =>
      planNodes(shape).map(({ hosts: [host], port, controllerPort }) => `${host} ${port} ${controllerPort}`);
    expect(places(shapeOf(2, ["k"]))).toEqual(["k 9092 19092", "k 9093 19093"]);
    expect(places(shapeOf(3, ["a", "b", "10.0.0.1"]))).toEqual(["a 9092 19092", "b 9092 19092", "10.0.0.1 9092 19092"]);
    expect(places(shapeOf(3, ["a", "b", "a"]))).toEqual(["a 9092 19092", "b 9092 19092", "a 9093 19093"]);
    expect(planNodes(shapeOf(1, ["a", "b"]))[0].hosts).toEqual(["a", "b"]);
    expect(planNodes(shapeOf(2)).map(({ isController }) => isController)).toEqual([true, false]);
  });

  test("is refused with hosts or ports that cannot be", () => {
    expect(() => planNodes(shapeOf(3, ["a", "b"]))).toThrow("one for each of the 3 nodes");
    expect(() => planNodes(shapeOf(1, ["a b"]))).toThrow("--hosts wants names");
    expect(() => planNodes(shapeOf(1, [""]))).toThrow("--hosts wants names");
    expect(() => planNodes(shapeOf(3, undefined, { controllerPort: 9094 }))).toThrow("want 3 free ports");
    expect(() => planNodes(shapeOf(3, undefined, { port: 65_534 }))).toThrow("below 65536");
  });
});

describe("samsa security init", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "samsa-secure-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const init = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, "security", "init", ...args], { encoding: "utf8", cwd: directory });
  const read = (...path: string[]) => readFileSync(join(directory, ...path), "utf8");

  test("makes what the nodes need, for its owner only, and says what to type next", () => {
    const { status, stdout, stderr } = init();
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("samsa start secure/node-3/server.properties &\n");
    expect(stdout).toContain("samsa consume greetings --command-config secure/client.properties\n");
    expect(readdirSync(directory)).toEqual(["secure"]);
    const made = ["", ...readdirSync(join(directory, "secure"), { recursive: true, encoding: "utf8" })];
    const modes = made
      .filter(path => !path.includes("data/"))
      .map(path => [path, statSync(join(directory, "secure", path))] as const)
      .map(([path, stat]) => [path, stat.isDirectory(), stat.mode & 0o777]);
    expect(modes.filter(([, isDirectory, mode]) => mode !== (isDirectory === true ? 0o700 : 0o600))).toEqual([]);
    expect(made).toContain("node-2/data/meta.properties");
    const authority = new X509Certificate(read("secure", "ca.pem"));
    for (const id of [1, 2, 3]) {
      const text = read("secure", `node-${id}`, "node.pem");
      const certificate = new X509Certificate(text);
      expect(certificate.subject).toBe(`CN=node-${id}`);
      expect(certificate.verify(authority.publicKey) && certificate.checkIssued(authority)).toBe(true);
      expect(certificate.checkPrivateKey(createPrivateKey(text))).toBe(true);
      expect([certificate.checkHost("localhost"), certificate.checkIP("127.0.0.1")]).toEqual([
        "localhost",
        "127.0.0.1",
      ]);
    }
    const passwords = ["client.properties", "node-1/server.properties"].map(
      file => /password="([^"]*)"/.exec(read("secure", file))?.[1] ?? "",
    );
    expect(new Set(passwords).size).toBe(2);
    for (const password of passwords) expect(password).toHaveLength(32);
  });

  test("listens on all addresses of other machines, and never replaces what is there", () => {
    const { stdout, status } = init("far", "--nodes", "2", "--hosts", "kafka1,kafka2", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      nodes: [
        { id: 1, host: "kafka1", port: 9092 },
        { id: 2, host: "kafka2", port: 9092 },
      ],
    });
    const [first, second] = [1, 2].map(id => parseProperties(read("far", `node-${id}`, "server.properties")));
    expect(first.get("listeners")).toBe("SASL_SSL://:9092,CONTROLLER://:19092");
    expect(first.get("advertised.listeners")).toBe("SASL_SSL://kafka1:9092,CONTROLLER://kafka1:19092");
    expect([second.get("process.roles"), second.get("listeners")]).toEqual(["broker", "SASL_SSL://:9092"]);
    expect(second.get("controller.quorum.bootstrap.servers")).toBe("kafka1:19092");
    expect(parseProperties(read("far", "client.properties")).get("ssl.truststore.certificates")).toBe(
      read("far", "ca.pem"),
    );
    const before = read("far", "ca.key");
    expect(init("far").stderr).toMatch(/^samsa: .*far is not empty: [^\n]*\n$/);
    expect(read("far", "ca.key")).toBe(before);
    mkdirSync(join(directory, "empty"));
    expect(init("empty", "--nodes", "1").status).toBe(0);
  });

  test("leaves nothing behind when it is refused", () => {
    writeFileSync(join(directory, "file"), "");
    for (const args of [["a", "--nodes", "0"], ["a", "--hosts", "x y"], ["a", "--days", "many"], ["a,b"], ["file/a"]]) {
      const { status, stderr } = init(...args);
      expect([args, status]).toEqual([args, 1]);
      expect(stderr).toMatch(/^samsa: [^\n]+\n$/);
    }
    expect(readdirSync(directory)).toEqual(["file"]);
  });
});
