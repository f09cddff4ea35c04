import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger, Network } from "@samsa/base";
import { Node } from "@samsa/broker";
import { nodeEnv } from "@samsa/node";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { placed, readSettings, idleSettings } from "../src/settings/settings-file.ts";

type Listen = Network["listen"];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "samsa-settings-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function file(text: string): string {
  const path = join(folder, "server.properties");
  writeFileSync(path, Buffer.from(text, "latin1"));
  return path;
}

const read = (text: string, ...overrides: string[]) => readSettings(file(text), overrides);

/** Typical server.properties files of other distributions; %d is a folder, %p a free port; the system chooses the others. */
const FILES: Readonly<Record<string, string>> = {
  "Apache Kafka's distribution": `
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:%p
listeners=PLAINTEXT://:0,CONTROLLER://:%p
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:0,CONTROLLER://localhost:%p
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=%d/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`,
  "an operator for Kubernetes": `
# Generated
broker.id=4
node.id=4
config.providers=own_env,own_file,own_dir
config.providers.own_env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.own_env.param.allowlist.pattern=.*
config.providers.own_file.class=org.apache.kafka.common.config.provider.FileConfigProvider
config.providers.own_file.param.allowed.paths=%d
config.providers.own_dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider
process.roles=broker,controller
controller.listener.names=CONTROLPLANE-9090
controller.quorum.voters=4@my-cluster-0.my-cluster.svc.cluster.local:9090
listeners=CONTROLPLANE-9090://0.0.0.0:0,REPLICATION-9091://127.0.0.1:0,PLAIN-9092://127.0.0.1:0
advertised.listeners=REPLICATION-9091://my-cluster-0.svc:9091,PLAIN-9092://my-cluster-0.svc:9092
listener.security.protocol.map=CONTROLPLANE-9090:PLAINTEXT,REPLICATION-9091:PLAINTEXT,PLAIN-9092:PLAINTEXT
inter.broker.listener.name=REPLICATION-9091
listener.name.plain-9092.connections.max.reauth.ms=3600000
sasl.enabled.mechanisms=
ssl.endpoint.identification.algorithm=HTTPS
log.dirs=%d/data-0/kafka-log4
broker.rack=\${own_dir:%d/rack:zone}
num.partitions=\${own_file:%d/own.properties:partitions}
min.insync.replicas=\${own_env:SAMSA_TEST_MIN_ISR}
`,
  "a container with settings of its environment": `
listeners=PLAINTEXT://:0,CONTROLLER://:0
advertised.listeners=PLAINTEXT://:0
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
num.network.threads=3
num.io.threads=8
log.dirs=%d/kafka/data
process.roles=controller,broker
node.id=0
controller.listener.names=CONTROLLER
controller.quorum.voters=0@kafka:9093
auto.create.topics.enable=true
offsets.topic.replication.factor=1
max.partition.fetch.bytes=1048576
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
`,
  "a vendor's container": `
advertised.listeners=PLAINTEXT://broker:29092,PLAINTEXT_HOST://localhost:9092
controller.listener.names=CONTROLLER
controller.quorum.voters=1@broker:29093
group.initial.rebalance.delay.ms=0
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0,PLAINTEXT_HOST://0.0.0.0:0
log.dirs=%d/kraft-combined-logs
node.id=1
offsets.topic.replication.factor=1
process.roles=broker,controller
transaction.state.log.min.isr=1
transaction.state.log.replication.factor=1
confluent.support.metrics.enable=false
zookeeper.connect=
`,
};

/** A port that is free for the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

describe("files that others start Kafka with", () => {
  test.each(Object.entries(FILES))("%s starts", async (_name, text) => {
    vi.stubEnv("SAMSA_TEST_MIN_ISR", "1");
    mkdirSync(join(folder, "rack"));
    writeFileSync(join(folder, "rack/zone"), "europe-1");
    writeFileSync(join(folder, "own.properties"), "partitions: 7\n");
    const settings = placed(read(text.replaceAll("%d", folder).replaceAll("%p", String(await freePort()))));
    const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
    const env = nodeEnv({ logger: quiet });
    // Listen on 127.0.0.1 only, whatever address the file has.
    const network = { ...env.network, listen: ((_, ...rest) => env.network.listen("127.0.0.1", ...rest)) as Listen };
    const node = await Node.start({ ...env, network }, { settings });
    try {
      const configs = [node.broker.config["broker.rack"], node.broker.config["num.partitions"]];
      expect(configs).toEqual(text.includes("own_dir") ? ["europe-1", 7] : [undefined, 1]);
      expect(node.advertised.size).toBeGreaterThan(0);
    } finally {
      await node.close();
    }
  });
});

describe("a file of settings", () => {
  test("is ISO-8859-1 with escapes, and what is given on the command line counts more", () => {
    const settings = read("broker.rack=caf\u00e9 \\u00e9\\\n  !x\n# broker.rack=no\nnode.id : 3", "node.id=5");
    expect([...settings]).toEqual([
      ["broker.rack", "caf\u00e9 \u00e9!x"],
      ["node.id", "5"],
    ]);
  });

  test("that is broken is told in one sentence", () => {
    expect(() => read("broker.rack=\\u00zz")).toThrow(/cannot read .*server\.properties: Malformed \\uxxxx encoding/);
    expect(() => readSettings(join(folder, "none"), [])).toThrow(/cannot read .*none/);
  });

  test("does not make the current directory one of its data by a comma too many", () => {
    expect(placed(read("log.dirs=/a,")).get("log.dirs")).toBe("/a,");
    expect(placed(read("log.dirs=/a, /b")).get("log.dirs")).toBe("/a,/b");
  });

  test("has variables of the providers that it names, and keeps others as they stand", () => {
    writeFileSync(join(folder, "own.properties"), "a=1\n");
    const providers = (parameters: string): string =>
      `config.providers=f\nconfig.providers.f.class=org.apache.kafka.common.config.provider.FileConfigProvider\n${parameters}`;
    const own = `\${f:${folder}/own.properties:a}`;
    expect(read(`${providers("")}x=<${own}-\${f:${folder}/own.properties:b}-\${g:h}>`).get("x")).toBe(
      `<1-\${f:${folder}/own.properties:b}-\${g:h}>`,
    );
    expect(read(`${providers("config.providers.f.param.allowed.paths=/nowhere\n")}x=${own}`).get("x")).toBe(own);
    expect(() => read(`${providers("")}x=\${f:${folder}/none:a}`)).toThrow("Could not read properties from file");
    expect(() => read("config.providers=v\nconfig.providers.v.class=my.Vault\n")).toThrow(
      "config.providers.v.class: Could not load config provider class my.Vault",
    );
    expect(idleSettings(read(providers("")))).toEqual([]);
  });
});

test("a setting without effect is named: what is not available here, a typo, and what nobody knows", () => {
  const given = ["retention.mss", "log.retention.hour", "num.network.threads", "foo.bar", "log.retention.hours"];
  const found = idleSettings(new Map(given.map(name => [name, "1"])));
  expect(found).toEqual([
    { setting: "retention.mss", why: "this setting is unknown and has no effect" },
    {
      setting: "log.retention.hour",
      why: "this setting is unknown and has no effect; did you mean log.retention.hours?",
    },
    {
      setting: "num.network.threads",
      why: "this setting of Kafka has no effect here (Java-only: one event loop does the work of these threads)",
    },
    { setting: "foo.bar", why: "this setting is unknown and has no effect" },
  ]);
});
