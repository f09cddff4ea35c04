import { parseProperties } from "@samsa/base";
import { expect, test } from "vitest";
import { completed, optionsOf, propertiesOf, settingLines, settingOf } from "../../src/container/environment.ts";

const noSecrets = {
  secrets: "/etc/kafka/secrets",
  read: (name: string): string => {
    throw new Error(name);
  },
};

test("names of variables become names of settings as in Kafka's image", () => {
  const names = {
    KAFKA_NODE_ID: "node.id",
    KAFKA_VALID___PROPERTY__ALL_CASES: "valid-property_all.cases",
    KAFKA_KAFKA_VALID_PROPERTY: "kafka.valid.property",
    KAFKA_A____B: "a-.b",
    KAFKA_A_____B: "a-_b",
    KAFKA_A______B: "a--b",
    "KAFKA_LISTENER_NAME_SECURE_SCRAM-SHA-512_SASL_JAAS_CONFIG": "listener.name.secure.scram-sha-512.sasl.jaas.config",
  };
  for (const [variable, setting] of Object.entries(names)) expect(settingOf(variable), variable).toBe(setting);
  for (const other of ["SOME_VARIABLE", "KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JMX_HOSTNAME", "KAFKA_VERSION"]) {
    expect(settingOf(other)).toBeUndefined();
  }
  expect(settingLines({ SOME: "x", KAFKA_ENV_CONFIG: "env value", KAFKA_EMPTY: "" })).toEqual([
    "env.config=env value",
    "empty=",
  ]);
});

test("the environment goes over a mounted file, and the default file is only for those who give nothing", () => {
  const byDefault = "default.config=default value";
  const mounted = "mounted.config=mounted value\nboth=mounted";
  const environment = { KAFKA_ENV_CONFIG: "env value", KAFKA_BOTH: "env" };
  const both = parseProperties(propertiesOf(environment, { mounted, byDefault }));
  expect(Object.fromEntries(both)).toEqual({
    ...{ "mounted.config": "mounted value", "env.config": "env value", both: "env" },
  });
  expect(propertiesOf(environment, { byDefault })).toBe("\nenv.config=env value\nboth=env");
  expect(propertiesOf({}, { mounted, byDefault })).toBe(mounted);
  expect(propertiesOf({}, { byDefault })).toBe(byDefault);
  expect(propertiesOf({}, { mounted: " \n \n ", byDefault })).toBe(byDefault);
});

test("listeners come from advertised ones, and a controller must have none of those", () => {
  const advertised = "PLAINTEXT://example.com:9092,BROKER://b:9093";
  expect(completed({ KAFKA_ADVERTISED_LISTENERS: advertised }, noSecrets).KAFKA_LISTENERS).toBe(
    "PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9093",
  );
  const own = completed({ KAFKA_ADVERTISED_LISTENERS: advertised, KAFKA_LISTENERS: "PLAINTEXT://:1" }, noSecrets);
  expect(own.KAFKA_LISTENERS).toBe("PLAINTEXT://:1");
  const controller = { KAFKA_PROCESS_ROLES: "controller" };
  expect(() => completed({ ...controller, KAFKA_ADVERTISED_LISTENERS: advertised }, noSecrets)).toThrow("for brokers");
  expect(completed({ ...controller, KAFKA_ADVERTISED_LISTENERS: "" }, noSecrets)).not.toHaveProperty(
    "KAFKA_ADVERTISED_LISTENERS",
  );
});

test("a cluster id is Kafka's unless one is given", () => {
  expect(completed({}, noSecrets).CLUSTER_ID).toBe("5L6g3nShT-eMCtK--X86sw");
  expect(completed({ CLUSTER_ID: "" }, noSecrets).CLUSTER_ID).toBe("5L6g3nShT-eMCtK--X86sw");
  expect(completed({ CLUSTER_ID: "own" }, noSecrets).CLUSTER_ID).toBe("own");
});

test("names of key stores become places, and passwords are read from files", () => {
  const environment = {
    KAFKA_ADVERTISED_LISTENERS: "SSL://example.com:9093",
    KAFKA_SSL_KEYSTORE_FILENAME: "kafka.jks",
    KAFKA_SSL_KEY_CREDENTIALS: "key",
    KAFKA_SSL_KEYSTORE_CREDENTIALS: "store",
    KAFKA_SSL_CLIENT_AUTH: "required",
  };
  const files = { secrets: "/s", read: (name: string) => `password of ${name}` };
  expect(() => completed(environment, files)).toThrow("KAFKA_SSL_TRUSTSTORE_FILENAME is not set");
  const trusting = { KAFKA_SSL_TRUSTSTORE_FILENAME: "trust.jks", KAFKA_SSL_TRUSTSTORE_CREDENTIALS: "trust" };
  const lines = settingLines(completed({ ...environment, ...trusting }, files)).filter(line => line.startsWith("ssl"));
  expect(lines.toSorted()).toEqual([
    "ssl.client.auth=required",
    "ssl.key.password=password of key",
    "ssl.keystore.location=/s/kafka.jks",
    "ssl.keystore.password=password of store",
    "ssl.truststore.location=/s/trust.jks",
    "ssl.truststore.password=password of trust",
  ]);
});

test("SAMSA_* gives options of the command, and an unknown one is refused", () => {
  const usual = { logLevel: "info", logFormat: "auto" };
  expect(optionsOf({ KAFKA_NODE_ID: "1" })).toEqual({ ...usual, insecure: true });
  expect(optionsOf({ SAMSA_HTTP_PORT: "1", SAMSA_LOG_LEVEL: "error", SAMSA_INSECURE: "false" })).toEqual({
    ...{ ...usual, httpPort: "1", logLevel: "error", insecure: false },
  });
  expect(() => optionsOf({ SAMSA_HTTPPORT: "1" })).toThrow("SAMSA_HTTPPORT is unknown");
  expect(() => optionsOf({ SAMSA_INSECURE: "no" })).toThrow("one of true, false");
});
