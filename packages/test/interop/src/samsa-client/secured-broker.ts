import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "@samsa/certificates";
import type { BrokerProcess } from "../processes/broker.ts";
import { SamsaProcess } from "../processes/broker-process.ts";
import { freePort } from "../processes/free-port.ts";
import { KafkaProcess } from "../processes/kafka-process.ts";

/** Listeners of a `SecuredBroker`: their names in Kafka's settings, and their protocols. */
const PROTOCOLS = {
  TLS: "SSL",
  MUTUAL: "SSL",
  SASL_TLS: "SASL_SSL",
  SASL_CLEAR: "SASL_PLAINTEXT",
  SIGNED: "SASL_SSL",
} as const;

/** Listener of a `SecuredBroker`; CLEAR is the one without any security. */
export type SecuredListener = keyof typeof PROTOCOLS | "CLEAR";

/** Vendor of a `SecuredBroker`. */
export type SecuredVendor = "Apache Kafka" | "Samsa";

/** Time after which sessions at SASL_CLEAR end, in ms. */
export const SESSION_MS = 3000;

const ISSUER = "https://issuer.example";
const AUDIENCE = "kafka";
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
const MODULE = "org.apache.kafka.common.security";
const VALIDATOR = `${MODULE}.oauthbearer.OAuthBearerValidatorCallbackHandler`;

/** Issuer of signed tokens, with an endpoint that gives them to a program that knows its secret. */
class Issuer {
  readonly jwks: string;
  /** Requests that the endpoint has answered. */
  requests = 0;
  readonly #key = generateKeyPairSync("rsa", { modulusLength: 2048 });
  #server: Server | undefined;

  constructor() {
    this.jwks = JSON.stringify({ keys: [{ ...this.#key.publicKey.export({ format: "jwk" }), kid: "k1", use: "sig" }] });
  }

  token(subject: string, lifetimeSeconds: number): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const iat = Math.floor(Date.now() / 1000);
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: subject, iat, exp: iat + lifetimeSeconds, scope: "x" };
    const signed = `${part({ alg: "RS256", kid: "k1" })}.${part(claims)}`;
    const key = createPrivateKey(this.#key.privateKey.export({ format: "pem", type: "pkcs8" }));
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  }

  /** Starts the endpoint and returns its address. */
  async listen(): Promise<string> {
    const wanted = `Basic ${Buffer.from("robot:robot-secret").toString("base64")}`;
    const server = createServer((request, response) => {
      this.requests++;
      request.resume();
      if (request.headers.authorization === wanted) {
        response.end(JSON.stringify({ access_token: this.token("robot", 60), token_type: "bearer" }));
      } else response.writeHead(401).end(JSON.stringify({ error: "invalid_client" }));
    });
    this.#server = server;
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the endpoint has no port");
    return `http://127.0.0.1:${address.port}/token`;
  }

  close(): void {
    this.#server?.close();
  }
}

function login(mechanism: string): string {
  switch (mechanism) {
    case "PLAIN":
      return `${MODULE}.plain.PlainLoginModule required user_alice="alice-secret";`;
    case "OAUTHBEARER":
      return `${MODULE}.oauthbearer.OAuthBearerLoginModule required;`;
    default:
      return `${MODULE}.scram.ScramLoginModule required;`;
  }
}

function saslSettings(listener: string, mechanisms: readonly string[]): string[] {
  const prefix = `listener.name.${listener.toLowerCase()}`;
  return [
    `${prefix}.sasl.enabled.mechanisms=${mechanisms.join(",")}`,
    ...mechanisms.map(name => `${prefix}.${name.toLowerCase()}.sasl.jaas.config=${login(name)}`),
  ];
}

/** Settings of a listener that verifies the signatures of tokens. */
function signedSettings(listener: string, folder: string): string[] {
  const prefix = `listener.name.${listener.toLowerCase()}.oauthbearer`;
  return [
    `${prefix}.sasl.server.callback.handler.class=${VALIDATOR}`,
    `${prefix}.sasl.oauthbearer.jwks.endpoint.url=file://${join(folder, "jwks.json")}`,
    `${prefix}.sasl.oauthbearer.expected.audience=${AUDIENCE}`,
    `${prefix}.sasl.oauthbearer.expected.issuer=${ISSUER}`,
  ];
}

function settingsOf(vendor: SecuredVendor, folder: string): string[] {
  const protocols = Object.entries(PROTOCOLS).map(([name, protocol]) => `${name}:${protocol}`);
  return [
    `listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,${protocols.join(",")}`,
    "inter.broker.listener.name=PLAINTEXT",
    "ssl.keystore.type=PEM",
    `ssl.keystore.location=${join(folder, "broker.pem")}`,
    "ssl.truststore.type=PEM",
    `ssl.truststore.location=${join(folder, "ca.pem")}`,
    "listener.name.mutual.ssl.client.auth=required",
    ...saslSettings("SASL_TLS", MECHANISMS),
    ...saslSettings("SASL_CLEAR", MECHANISMS),
    ...saslSettings("SIGNED", ["OAUTHBEARER"]),
    ...MECHANISMS.map(name => `listener.name.sasl_clear.${name.toLowerCase()}.connections.max.reauth.ms=${SESSION_MS}`),
    ...signedSettings("SIGNED", folder),
    ...signedSettings("SASL_CLEAR", folder),
    // Kafka's default takes tokens without signatures.
    ...(vendor === "Samsa" ? signedSettings("SASL_TLS", folder) : []),
    "delegation.token.secret.key=a-secret-of-all-brokers",
    "super.users=User:ANONYMOUS",
    "connection.failed.authentication.delay.ms=0",
  ];
}

async function startBroker(
  vendor: SecuredVendor,
  { folder, ports, more }: { folder: string; ports: ReadonlyMap<string, number>; more: readonly string[] },
): Promise<BrokerProcess> {
  const settings = [...settingsOf(vendor, folder), ...more];
  const listeners = [...ports].map(([name, port]) => `${name}://localhost:${port}`);
  if (vendor === "Samsa") {
    const clear = `PLAINTEXT://127.0.0.1:${await freePort()}`;
    return SamsaProcess.start(undefined, [...settings, `listeners=${[clear, ...listeners].join(",")}`]);
  }
  const jvm = [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://${join(folder, "jwks.json")}`];
  return KafkaProcess.start("fixed", settings, { listeners, jvm });
}

/** Broker with a listener for each kind of security, and what a client needs for them. */
export class SecuredBroker {
  readonly vendor: SecuredVendor;
  readonly broker: BrokerProcess;
  readonly authority: Authority;
  readonly issuer: Issuer;
  /** Address of the endpoint for tokens. */
  readonly tokenEndpoint: string;
  /** Folder with the authority's certificate, `ca.pem`; it goes with the broker. */
  readonly folder: string;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(parts: {
    readonly vendor: SecuredVendor;
    readonly broker: BrokerProcess;
    readonly authority: Authority;
    readonly issuer: Issuer;
    readonly tokenEndpoint: string;
    readonly ports: ReadonlyMap<string, number>;
    readonly folder: string;
  }) {
    this.vendor = parts.vendor;
    this.broker = parts.broker;
    this.authority = parts.authority;
    this.issuer = parts.issuer;
    this.tokenEndpoint = parts.tokenEndpoint;
    this.#ports = parts.ports;
    this.folder = parts.folder;
  }

  /** Starts one, with `more` settings. */
  static async start(vendor: SecuredVendor, more: readonly string[] = []): Promise<SecuredBroker> {
    const folder = mkdtempSync(join(tmpdir(), "secured-"));
    const authority = new Authority();
    const issuer = new Issuer();
    const tokenEndpoint = await issuer.listen();
    try {
      const { cert, key } = authority.issue({ name: "broker", hosts: ["localhost"] });
      writeFileSync(join(folder, "broker.pem"), `${key}${cert}`);
      writeFileSync(join(folder, "ca.pem"), authority.cert);
      writeFileSync(join(folder, "jwks.json"), issuer.jwks);
      const ports = new Map<string, number>();
      for (const name of Object.keys(PROTOCOLS)) ports.set(name, await freePort());
      const broker = await startBroker(vendor, { folder, ports, more });
      return new SecuredBroker({ vendor, broker, authority, issuer, tokenEndpoint, ports, folder });
    } catch (error) {
      issuer.close();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Address of a listener. */
  server(listener: SecuredListener): string {
    const port = this.#ports.get(listener);
    return port === undefined ? this.broker.server : `localhost:${port}`;
  }

  async dispose(): Promise<void> {
    this.issuer.close();
    await this.broker.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
