/** Stories of clients that are not who they say, or do not speak as they should. */
import { setTimeout } from "node:timers/promises";
import * as tls from "node:tls";
import { toBase64, utf8 } from "@samsa/base";
import { Authority, type Credentials, selfSigned } from "@samsa/certificates";
import { nodeEnv } from "@samsa/node";
import { ApiKey, Apis, requestFrame } from "@samsa/protocol";
import { ScramClient, type SaslStep } from "@samsa/sasl";
import { type RawConnection, WireError } from "@samsa/wire";
import { connect } from "../differential/connection.ts";
import { credentialOf, type Login, renewed } from "../cluster/cluster-security.ts";
import type { LiveStory } from "./live-connections.ts";
import type { SecuredBroker, SecuredListener } from "./secured-broker.ts";

const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const WAIT_MS = 5000;
/** Default of `sasl.server.max.receive.size`. */
const MOST_BYTES = 524_288;
const PAUSE_MS = 200;
const HEAD = { correlationId: 1, clientId: "x" };
const SOFTWARE = { clientSoftwareName: "x", clientSoftwareVersion: "1" };

const addressOf = (
  secured: SecuredBroker,
  listener: SecuredListener,
): { readonly host: string; readonly port: number } => ({
  host: "localhost",
  port: Number(secured.server(listener).split(":")[1]),
});

/** Outcome of a request: "served", or how the connection ends. */
async function served(wire: RawConnection): Promise<string> {
  try {
    await wire.ask("Metadata", 9, { topics: [] });
    return "served";
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return error.code;
  }
}

/** True if the broker closes the connection without another frame. */
async function closes(wire: RawConnection): Promise<string> {
  const frame = await wire.frame(WAIT_MS);
  return frame === undefined && !wire.isOpen ? "closed" : `answered, ${frame?.length} bytes`;
}

async function begun(secured: SecuredBroker, listener: SecuredListener, mechanism: string): Promise<RawConnection> {
  const security = listener === "SASL_CLEAR" ? {} : { tls: { ca: secured.authority.cert } };
  const wire = await connect(secured.server(listener), { security, timeoutMs: WAIT_MS });
  const { errorCode } = await wire.ask("SaslHandshake", 1, { mechanism });
  if (errorCode !== 0) throw new Error(`SaslHandshake: ${errorCode}`);
  return wire;
}

const tokenOf = (token: string): Uint8Array => utf8(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);

/** Sends one token on a new connection; the answer and what becomes of the connection. */
async function sentToken(secured: SecuredBroker, authBytes: Uint8Array, mechanism = "OAUTHBEARER"): Promise<string> {
  const wire = await begun(secured, "SIGNED", mechanism);
  try {
    const answer = await wire.ask("SaslAuthenticate", 2, { authBytes });
    return `${answer.errorCode}, ${await served(wire)}`;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return error.code;
  } finally {
    wire.close();
  }
}

async function bearerAgain(secured: SecuredBroker): Promise<readonly string[]> {
  const token = secured.issuer.token("dora", 60);
  const [head = "", claims = "", signature = ""] = token.split(".");
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const parts: readonly (readonly [string, string])[] = [
    ["a token", token],
    ["the same on another connection", token],
    ["algorithm none", `${encoded({ alg: "none", kid: "k1" })}.${claims}.`],
    ["a secret algorithm", `${encoded({ alg: "HS256", kid: "k1" })}.${claims}.${signature}`],
    ["the algorithm of another kind of key", `${encoded({ alg: "ES256", kid: "k1" })}.${claims}.${signature}`],
    ["other claims", `${head}.${encoded({ sub: "root", exp: 4e9, iat: 1 })}.${signature}`],
  ];
  const lines: string[] = [];
  for (const [what, text] of parts) lines.push(`${what}: ${await sentToken(secured, tokenOf(text))}`);
  return lines;
}

async function largeTokens(secured: SecuredBroker): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const [what, size] of [
    ["a large claim", MOST_BYTES - 1000],
    ["above the limit", MOST_BYTES + 1],
  ] as const) {
    const huge = Buffer.alloc(size, "a").toString();
    lines.push(`${what}: ${await sentToken(secured, tokenOf(`e30.${huge}.e30`))}`);
  }
  return lines;
}

/** Messages of a client of SCRAM to a broker that accepts them. */
async function spoken(secured: SecuredBroker, { username, password }: Login): Promise<readonly Uint8Array[]> {
  const wire = await begun(secured, "SASL_TLS", "SCRAM-SHA-256");
  const client = new ScramClient(env.crypto, { hash: "SHA-256", username, password, nonce: "0123456789abcdef" });
  const sent: Uint8Array[] = [];
  let step: SaslStep = client.start();
  while (step.type !== "done") {
    if (step.type === "derive") {
      step = client.derived(await env.crypto.deriveKey(step.hash, step.password, step.salt, step.iterations));
      continue;
    }
    sent.push(step.bytes);
    const { errorCode, authBytes } = await wire.ask("SaslAuthenticate", 2, { authBytes: step.bytes });
    if (errorCode !== 0) throw new Error(`SaslAuthenticate: ${errorCode}`);
    step = client.received(authBytes);
  }
  wire.close();
  return sent;
}

async function scramAgain(secured: SecuredBroker): Promise<readonly string[]> {
  const login = renewed({ mechanism: "SCRAM-SHA-256", username: "rosa", password: "" });
  const admin = await connect(secured.server("CLEAR"));
  await admin.ask("AlterUserScramCredentials", 0, credentialOf(login));
  admin.close();
  await setTimeout(PAUSE_MS * 5);
  const sent = await spoken(secured, login);
  const wire = await begun(secured, "SASL_TLS", "SCRAM-SHA-256");
  const codes: number[] = [];
  for (const authBytes of sent) codes.push((await wire.ask("SaslAuthenticate", 2, { authBytes })).errorCode);
  const lines = [`${sent.length} messages once more: ${codes.join(", ")}`, `then: ${await served(wire)}`];
  wire.close();
  return lines;
}

/**
 * Outcome of a handshake with a certificate of the client, and of a request after it. Java tells with an alert that it
 * refuses the certificate; Node ends the connection.
 */
async function certified(secured: SecuredBroker, own: Credentials): Promise<string> {
  try {
    const security = { tls: { ca: secured.authority.cert, ...own } };
    const wire = await connect(secured.server("MUTUAL"), { security, timeoutMs: WAIT_MS });
    const outcome = await served(wire);
    wire.close();
    return outcome === "served" ? outcome : "refused";
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return "refused";
  }
}

async function certificates(secured: SecuredBroker): Promise<readonly string[]> {
  const { authority } = secured;
  const name = "carol";
  const all: readonly (readonly [string, Credentials])[] = [
    ["its own", authority.issue({ name })],
    ["of another host", authority.issue({ name, hosts: ["elsewhere"] })],
    ["expired", authority.issue({ name, valid: [-2000, -1000] })],
    ["not yet valid", authority.issue({ name, valid: [3_600_000, 7_200_000] })],
    ["self-signed", selfSigned({ name })],
    ["of another authority", new Authority().issue({ name })],
  ];
  const lines: string[] = [];
  for (const [what, own] of all) lines.push(`${what}: ${await certified(secured, own)}`);
  return lines;
}

/** TLS connection of Node; undefined if the broker refuses it. */
function handshake(secured: SecuredBroker, options: tls.ConnectionOptions): Promise<tls.TLSSocket | undefined> {
  return new Promise(resolve => {
    const { host, port } = addressOf(secured, "TLS");
    const socket = tls.connect({ host, port, ca: secured.authority.cert, ...options });
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", () => resolve(undefined));
    socket.once("close", () => resolve(undefined));
  });
}

async function versionsOfTls(secured: SecuredBroker): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const) {
    // Node's own library speaks the old ones only at this level.
    const ciphers = "DEFAULT@SECLEVEL=0";
    const socket = await handshake(secured, { minVersion: version, maxVersion: version, ciphers });
    lines.push(`${version}: ${socket === undefined ? "refused" : "accepted"}`);
    socket?.destroy();
  }
  return lines;
}

async function renegotiation(secured: SecuredBroker): Promise<readonly string[]> {
  const socket = await handshake(secured, { maxVersion: "TLSv1.2" });
  if (socket === undefined) throw new Error("no connection");
  const outcome = await Promise.race([
    new Promise<string>(resolve => {
      // Java closes the connection; OpenSSL says no, and the client ends it.
      socket.once("error", () => resolve("refused"));
      socket.once("close", () => resolve("refused"));
      socket.renegotiate({}, error => {
        if (error === null) resolve("renegotiated");
      });
    }),
    setTimeout(WAIT_MS, "open"),
  ]);
  socket.destroy();
  return [outcome];
}

async function laterVersions(secured: SecuredBroker): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const name of ["Metadata", "SaslHandshake", "SaslAuthenticate", "Produce"] as const) {
    for (const isBegun of [false, true]) {
      const wire = isBegun
        ? await begun(secured, "SASL_CLEAR", "PLAIN")
        : await connect(secured.server("SASL_CLEAR"), { timeoutMs: WAIT_MS });
      const { key, last } = Apis[name];
      const bytes = Buffer.concat(requestFrame({ ...HEAD, key, version: 3 }, Apis.ApiVersions.request, SOFTWARE));
      bytes.writeInt16BE(key, 4);
      bytes.writeInt16BE(last + 1, 6);
      wire.write(bytes);
      lines.push(`${name} ${last + 1}${isBegun ? " in place of a token" : ""}: ${await closes(wire)}`);
      wire.close();
    }
  }
  const wire = await connect(secured.server("SASL_CLEAR"), { timeoutMs: WAIT_MS });
  const head = { ...HEAD, key: ApiKey.ApiVersions, version: 3 };
  const bytes = Buffer.concat(requestFrame(head, Apis.ApiVersions.request, SOFTWARE));
  bytes.writeInt16BE(999, 6);
  wire.write(bytes);
  const frame = await wire.frame();
  lines.push(`ApiVersions 999: error ${frame === undefined ? "none" : Buffer.from(frame).readInt16BE(4)}`);
  lines.push(`then, of a version that is known: ${(await wire.ask("ApiVersions", 3, SOFTWARE)).errorCode}`);
  wire.close();
  return lines;
}

async function manyGuesses(secured: SecuredBroker): Promise<readonly string[]> {
  const wire = await begun(secured, "SASL_CLEAR", "PLAIN");
  const guess = (password: string): void => {
    wire.send("SaslAuthenticate", 2, { authBytes: utf8(`\0alice\0${password}`) });
  };
  for (const password of ["one", "two", "alice-secret"]) guess(password);
  const { errorCode } = await wire.receive("SaslAuthenticate", 2);
  const lines = [`the first of three: ${errorCode}`, `then: ${await closes(wire)}`];
  wire.close();
  const broken = await begun(secured, "SASL_CLEAR", "SCRAM-SHA-256");
  const answer = await broken.ask("SaslAuthenticate", 2, { authBytes: utf8(toBase64(new Uint8Array(3000))) });
  lines.push(`no message of SCRAM: ${answer.errorCode}`, `then: ${await served(broken)}`);
  broken.close();
  return lines;
}

/** Stories that are the same at both vendors. */
export const HOSTILE_STORIES: readonly LiveStory[] = [
  { name: "tokens of an issuer, right and forged", tell: bearerAgain },
  { name: "large tokens", tell: largeTokens },
  { name: "messages of SCRAM, sent again", tell: scramAgain },
  { name: "certificates of clients", tell: certificates },
  { name: "versions of TLS", tell: versionsOfTls },
  { name: "another handshake within TLS", tell: renegotiation },
  { name: "versions that are not served", tell: laterVersions },
  { name: "guesses", tell: manyGuesses },
];
