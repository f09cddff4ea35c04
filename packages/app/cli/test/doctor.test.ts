import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { ignored } from "@samsa/base";
import { type Admin, type DescribedNode, Outcomes } from "@samsa/client-runtime";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Identity, issue, makeAuthority } from "../src/security/certificates.ts";
import { certificateFindings } from "../src/security/doctor/certificate-findings.ts";
import { clusterFindings, shownFindings } from "../src/security/doctor/cluster-findings.ts";
import { fileFindings } from "../src/security/doctor/file-findings.ts";
import { type Finding, ordered } from "../src/security/doctor/finding.ts";
import { passwordFindings } from "../src/security/doctor/password-findings.ts";
import { settingFindings } from "../src/security/doctor/setting-findings.ts";
import { exposuresOf } from "../src/security/exposure.ts";
import { MAIN } from "./bundle.ts";
import { endAll } from "./children.ts";

const AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
const PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SECURED = { "authorizer.class.name": AUTHORIZER, "super.users": "User:admin" };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-doctor-"));
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const mapOf = (settings: Readonly<Record<string, string>>) => new Map(Object.entries(settings));
const shown = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, subject, fault }) => `${severity} ${subject}: ${fault}`);

async function ofSettings(settings: Readonly<Record<string, string>>, hasPeers = false): Promise<string[]> {
  const all = mapOf(settings);
  return shown(settingFindings(all, { exposures: await exposuresOf(all), hasPeers }));
}

describe("settings", () => {
  test("of listeners that others reach need authentication and TLS", async () => {
    const map = "A:PLAINTEXT,B:SSL,C:SASL_PLAINTEXT,D:SASL_SSL,E:SSL,F:PLAINTEXT";
    const listeners = "A://:1,B://192.0.2.1:2,C://0.0.0.0:3,D://:4,E://:5,F://localhost:6";
    const more = { "listener.name.e.ssl.client.auth": "required" };
    expect(await ofSettings({ ...SECURED, listeners, "listener.security.protocol.map": map, ...more })).toEqual([
      "high listener A://:1 (all interfaces): lets everyone in without a name, in clear text (PLAINTEXT)",
      "high listener B://192.0.2.1:2: lets everyone in without a name (SSL)",
      "high listener C://0.0.0.0:3 (all interfaces): sends records and logins over the network in clear text (SASL_PLAINTEXT)",
    ]);
  });

  test("of the authorizer count more where others connect", async () => {
    const listeners = "SASL_SSL://:9092";
    expect(await ofSettings({})).toEqual([expect.stringMatching(/^low authorizer\.class\.name: .*this machine/)]);
    expect(await ofSettings({ listeners })).toEqual([expect.stringMatching(/^high authorizer\.class\.name/)]);
    const open = { "allow.everyone.if.no.acl.found": "true", "super.users": "User:a; User:ANONYMOUS" };
    expect(await ofSettings({ ...SECURED, listeners, ...open })).toEqual([
      expect.stringMatching(/^high allow\.everyone/),
      expect.stringMatching(/^high super\.users/),
    ]);
    expect(await ofSettings({ ...SECURED, listeners })).toEqual([]);
  });

  test("of secrets and replicas", async () => {
    const key = "delegation.token.secret.key";
    expect(await ofSettings({ ...SECURED, [key]: "short" })).toEqual([
      `high ${key}: has 5 characters: who has a token can guess it and make others`,
    ]);
    expect(await ofSettings({ ...SECURED, [key]: "x".repeat(32) })).toEqual([]);
    const one = { ...SECURED, "offsets.topic.replication.factor": "1" };
    expect(await ofSettings(one)).toEqual([]);
    expect(await ofSettings(one, true)).toEqual([expect.stringMatching(/^medium offsets\.topic\.replication\.factor/)]);
    const three = { ...SECURED, "default.replication.factor": "3" };
    expect(await ofSettings(three)).toEqual([expect.stringMatching(/^medium min\.insync\.replicas/)]);
    expect(await ofSettings({ ...three, "min.insync.replicas": "2" })).toEqual([]);
  });
});

test("passwords that are names, words of examples or short are found", () => {
  const found = (password: string, user = "ann"): string[] => {
    const jaas = `${PLAIN} required user_${user}="${password}";`;
    return passwordFindings(mapOf({ "listener.name.x.plain.sasl.jaas.config": jaas })).map(({ fault }) => fault);
  };
  expect(found("ann")).toEqual(["the password of ann is the name of the user"]);
  for (const password of ["admin-secret", "secret", "changeit", "Password123", "ann-secret", "111111111111111"]) {
    expect([password, found(password)]).toEqual([password, ["the password of ann is a common one"]]);
  }
  expect(found("k3#vQ!x")).toEqual(["the password of ann has fewer than 12 characters"]);
  expect(found("Zk3vQx8Lw0pRt5Yb")).toEqual([]);
  expect(passwordFindings(mapOf({ "sasl.jaas.config": "nonsense" }))).toEqual([]);
});

test("files that everyone may read or change are found, if the folders above let everyone in", () => {
  const inner = join(directory, "inner");
  const [file, key, data] = ["server.properties", "node.pem", "data"].map(name => join(inner, name));
  mkdirSync(data, { recursive: true });
  for (const path of [file, key]) writeFileSync(path, "");
  const settings = mapOf({
    "ssl.keystore.location": key,
    "log.dirs": data,
    "listener.name.x.plain.sasl.jaas.config": `${PLAIN} required;`,
  });
  const found = () => fileFindings(file, settings).map(({ remedy }) => remedy);
  for (const path of [file, key]) chmodSync(path, 0o666);
  for (const path of [inner, data]) chmodSync(path, 0o755);
  expect(found()).toEqual([
    ...[`chmod 600 ${file}`, `chmod 600 ${key}`, `chmod o-w ${file}`, `chmod o-w ${key}`, `chmod 700 ${data}`],
  ]);
  chmodSync(inner, 0o750);
  expect(found()).toEqual([]);
  chmodSync(inner, 0o755);
  for (const path of [file, key]) chmodSync(path, 0o640);
  chmodSync(data, 0o700);
  expect(found()).toEqual([]);
  chmodSync(file, 0o644);
  expect(fileFindings(file, new Map()).map(({ remedy }) => remedy)).toEqual([]);
});

describe("certificates", () => {
  let authority: Identity;
  beforeAll(async () => {
    authority = await makeAuthority("Authority");
  });

  async function found(pem: string, more: Readonly<Record<string, string>> = {}): Promise<string[]> {
    const [keystore, truststore] = ["node.pem", "ca.pem"].map(name => join(directory, name));
    writeFileSync(keystore, pem);
    writeFileSync(truststore, authority.certificate);
    const settings = mapOf({
      listeners: "SSL://localhost:9092",
      ...{ "ssl.keystore.type": "PEM", "ssl.keystore.location": keystore },
      ...{ "ssl.truststore.type": "PEM", "ssl.truststore.location": truststore, ...more },
    });
    const exposures = await exposuresOf(settings);
    return certificateFindings(settings, { exposures, now: Date.now() }).map(
      ({ severity, fault }) => `${severity} ${fault}`,
    );
  }
  const issued = async (hosts: readonly string[], days: number): Promise<Identity> =>
    issue(authority, { name: "n", hosts }, days);
  const textOf = ({ key, certificate }: Identity): string => key + certificate;

  test("are valid for a while, for their host, and match their key", async () => {
    const good = await issued(["localhost", "127.0.0.1"], 100);
    expect(await found(textOf(good))).toEqual([]);
    expect(await found(textOf(good), { listeners: "SSL://127.0.0.1:9092" })).toEqual([]);
    expect(
      await found(textOf(good), { listeners: "SSL://:9092", "advertised.listeners": "SSL://kafka1:9092" }),
    ).toEqual(["high the certificate CN=n is not for the host kafka1, so clients refuse it"]);
    const other = await issued(["localhost"], 100);
    expect(await found(good.key + other.certificate)).toEqual([
      "high the certificate CN=n does not match its private key",
    ]);
  });

  test("in stores are read, too", async context => {
    if (spawnSync("openssl", ["version"]).error !== undefined) context.skip("openssl is not installed");
    const [pem, store] = ["n.pem", "n.p12"].map(name => join(directory, name));
    writeFileSync(pem, textOf(await issued(["localhost"], 10)));
    const args = ["pkcs12", "-export", "-in", pem, "-inkey", pem, "-out", store, "-passout", "pass:secret"];
    expect(spawnSync("openssl", args).status).toBe(0);
    const ofStore = { "ssl.keystore.location": store, "ssl.keystore.type": "PKCS12" };
    expect(await found("", { ...ofStore, "ssl.keystore.password": "secret" })).toEqual([
      expect.stringMatching(/^medium the certificate CN=n expires/),
    ]);
    expect(await found("", { ...ofStore, "ssl.keystore.password": "another" })).toEqual([
      expect.stringMatching(/^high cannot be read: /),
    ]);
  });

  test("that expire or cannot be read are found", async () => {
    expect(await found(textOf(await issued(["localhost"], 10)))).toEqual([
      expect.stringMatching(/^medium the certificate CN=n expires on \S+, in (?:9|10) days$/),
    ]);
    expect(await found(textOf(await issued(["localhost"], -1)))).toEqual([
      expect.stringMatching(/^high the certificate CN=n has expired on /),
    ]);
    expect(await found("nothing")).toEqual([expect.stringMatching(/^high cannot be read: /)]);
    expect(await found("", { "ssl.keystore.location": join(directory, "none") })).toEqual([
      expect.stringMatching(/^high cannot be read: ENOENT/),
    ]);
  });
});

describe("a running cluster", () => {
  const closing: Server[] = [];
  afterEach(() => {
    for (const server of closing.splice(0)) server.close();
  });

  /** A node that shows a certificate. */
  async function node(days: number): Promise<DescribedNode> {
    const authority = await makeAuthority("Authority");
    const { certificate: cert, key } = await issue(authority, { name: "n", hosts: ["localhost"] }, days);
    const server = createServer({ cert, key });
    closing.push(server);
    server.on("tlsClientError", ignored("the client has learned what it wanted"));
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return { id: 1, host: "127.0.0.1", port, rack: undefined, isFenced: false };
  }

  test("shows its certificates", async () => {
    const shownBy = async (days: number) =>
      (await shownFindings(await node(days), Date.now())).map(({ fault }) => fault);
    const name = "the certificate CN=n is not for the host 127.0.0.1, so clients refuse it";
    expect(await shownBy(100)).toEqual([name]);
    expect(await shownBy(10)).toEqual([expect.stringContaining("expires on"), name]);
  });

  test("has settings and topics, which are described with the brokers that they are about", async () => {
    const topic = (isInternal: boolean, replicas: readonly number[]) => ({ isInternal, partitions: [{ replicas }] });
    const topics = new Map([
      ["__consumer_offsets", topic(true, [1])],
      ["__transaction_state", topic(true, [1, 2, 3])],
      ["orders", topic(false, [1, 2, 3])],
      ["alone", topic(false, [1])],
    ]);
    const settings: Record<string, string> = { "authorizer.class.name": AUTHORIZER, "super.users": "User:a" };
    const admin = {
      cluster: { describe: async () => ({ nodes: [1, 2].map(id => ({ id, host: "h", port: 1 })) }) },
      topics: {
        list: async () => [...topics.keys()].map(name => ({ name })),
        describe: async () => new Outcomes(topics),
      },
      configs: {
        describe: async (resources: readonly string[]) => {
          const given = {
            listeners: resources[0] === "broker:1" ? "PLAINTEXT://:1" : "PLAINTEXT://127.0.0.1:1",
            ...settings,
          };
          const topic = { "min.insync.replicas": "1" };
          const entries = (of: object) => new Map(Object.entries(of).map(([name, value]) => [name, { value }]));
          return new Outcomes(
            new Map(resources.map(name => [name, entries(name.startsWith("broker:") ? given : topic)])),
          );
        },
      },
    } as unknown as Admin;
    const found = async () => (await clusterFindings(admin, { isTls: false, now: 0 })).map(({ subject }) => subject);
    const ofTopics = ["topic __consumer_offsets", "topic __transaction_state", "topic orders"];
    expect(await found()).toEqual(["broker 1: listener PLAINTEXT://:1 (all interfaces)", ...ofTopics]);
    settings["allow.everyone.if.no.acl.found"] = "true";
    expect(await found()).toContain("brokers 1, 2: allow.everyone.if.no.acl.found");
    // Settings of a single listener count for it.
    settings.listeners = "SSL://:1";
    expect(await found()).toContain("brokers 1, 2: listener SSL://:1 (all interfaces)");
    settings["listener.name.ssl.ssl.client.auth"] = "required";
    expect(await found()).not.toContain("brokers 1, 2: listener SSL://:1 (all interfaces)");
  });
});

test("findings come once, the worst first", () => {
  const finding = (severity: Finding["severity"], subject: string) => ({ severity, subject, fault: "", remedy: "" });
  const [low, high] = [finding("low", "a"), finding("high", "b")];
  expect(ordered([low, high, { ...high }, low])).toEqual([high, low]);
});

describe("samsa doctor", () => {
  const running: ChildProcess[] = [];
  afterEach(() => endAll(running));
  const doctor = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, "doctor", ...args], { encoding: "utf8", cwd: directory });

  test("has a line for each finding, as JSON too, and an exit code", () => {
    const file = join(directory, "server.properties");
    writeFileSync(file, "listeners=PLAINTEXT://:9092\n");
    const { status, stdout } = doctor(file);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^high {2}listener PLAINTEXT:\/\/:9092 [^\n]*; give it [^\n]*\nhigh {2}authorizer[^\n]*\n$/);
    expect(JSON.parse(doctor(file, "--json").stdout)).toHaveLength(2);
    writeFileSync(file, `authorizer.class.name=${AUTHORIZER}\nsuper.users=User:a\n`);
    expect([doctor(file).stdout, doctor(file).status]).toEqual(["Nothing is open.\n", 0]);
    expect(doctor(file, "--json").stdout).toBe("[]\n");
    expect(doctor("none").stderr).toMatch(/^samsa: cannot read none[^\n]*\n$/);
  });

  test("asks a cluster", async () => {
    const options = ["-o", "listeners=PLAINTEXT://127.0.0.1:0", "-o", "log.dirs=data", "--http-port", "off"];
    const child = spawn(process.execPath, [MAIN, "start", "--json", ...options], { cwd: directory });
    running.push(child);
    const said = await new Promise<string>(resolve =>
      child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString())),
    );
    const { port } = (JSON.parse(said) as { listeners: { port: number }[] }).listeners[0];
    const { status, stdout } = doctor("-b", `127.0.0.1:${port}`, "--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({
        severity: "low",
        subject: expect.stringMatching(/^broker \d+: authorizer\.class\.name$/),
      }),
    ]);
  });
});
