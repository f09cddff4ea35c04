import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isLoopback, refuseOpenListeners } from "../src/security/exposure.ts";
import { MAIN } from "./bundle.ts";

const refusal = (settings: Readonly<Record<string, string>>): Promise<string | undefined> =>
  refuseOpenListeners(new Map(Object.entries(settings))).then(
    () => undefined,
    (error: Error) => error.message,
  );

const MAP = "listener.security.protocol.map";
const EVERYWHERE = "OUT://:9092";

test("a host is loopback if its addresses are", async () => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) {
    expect([host, await isLoopback(host)]).toEqual([host, true]);
  }
  for (const host of ["", "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "nowhere.invalid"]) {
    expect([host, await isLoopback(host)]).toEqual([host, false]);
  }
});

describe("listeners are refused", () => {
  test("that other machines reach without authentication", async () => {
    const without = (protocol: string, more = {}) =>
      refusal({ listeners: EVERYWHERE, [MAP]: `OUT:${protocol}`, ...more });
    const required = { "ssl.client.auth": "required" };
    expect(await without("PLAINTEXT")).toContain("OUT://:9092 (all interfaces, PLAINTEXT) lets everyone in");
    expect(await without("SSL")).toContain("SSL without ssl.client.auth=required");
    expect(await without("SSL", { "ssl.client.auth": "requested" })).toBeDefined();
    expect(await without("SSL", required)).toBeUndefined();
    expect(await without("SSL", { ...required, "listener.name.out.ssl.client.auth": "none" })).toBeDefined();
    expect(await without("SASL_PLAINTEXT")).toBeUndefined();
    expect(await without("SASL_SSL")).toBeUndefined();
    expect(await without("PLAINTEXT", { listeners: "OUT://127.0.0.1:9092" })).toBeUndefined();
    expect(await refusal({})).toBeUndefined();
  });

  test("of controllers as those of brokers, in one sentence with what to do", async () => {
    const listeners = "PLAINTEXT://:9092,CONTROLLER://192.0.2.1:9093,SSL://localhost:1";
    expect(await refusal({ listeners })).toBe(
      "the listeners PLAINTEXT://:9092 (all interfaces, PLAINTEXT) and CONTROLLER://192.0.2.1:9093 (PLAINTEXT) let " +
        "everyone in who reaches this machine: write localhost before the port to serve this machine only, make a " +
        "secured cluster with samsa security init, or let everyone in with --insecure",
    );
  });
});

describe("samsa start", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "samsa-exposure-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const start = (...args: string[]): string => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [MAIN, "start", "--http-port", "off", "--log-level", "error", ...args],
      {
        encoding: "utf8",
        cwd: directory,
      },
    );
    expect(status).toBe(1);
    return stderr;
  };

  test("does not begin with a file of Kafka's, whose listeners have no host, and writes nothing", () => {
    const file = join(directory, "server.properties");
    writeFileSync(file, "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n");
    for (const args of [[file], [file, "--brokers", "1"]]) {
      const said = start(...args);
      expect(said).toMatch(/^samsa: the listeners PLAINTEXT:[^\n]* and CONTROLLER:[^\n]*\n$/);
      expect(said).toContain("samsa security init");
    }
    expect(readdirSync(directory)).toEqual(["server.properties"]);
  });

  test("goes on with --insecure", () => {
    // An address that no machine has, so that nothing is opened.
    const elsewhere = ["-o", "listeners=PLAINTEXT://192.0.2.1:9092"];
    expect(start(...elsewhere)).toContain("--insecure");
    expect(start(...elsewhere, "--insecure")).toContain("EADDRNOTAVAIL");
  });
});
