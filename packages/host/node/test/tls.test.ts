import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as https from "node:https";
import * as tls from "node:tls";
import { concat, ignored, type Logger, NetworkError, type TlsClientOptions, TlsError, utf8 } from "@samsa/base";
import { Authority, selfSigned } from "@samsa/certificates";
import { nodeEnv } from "@samsa/node";
import { afterEach, expect, test } from "vitest";
import { JAVA_STORES } from "./java-stores.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent, network: { highWaterMark: 64 * 1024, lingerMs: 50 } });
const host = "127.0.0.1";
const authority = new Authority();
const own = authority.issue({ name: "broker", hosts: ["localhost", host] });
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Port of a TLS server that sends back what it gets. */
async function echo(options: tls.TlsOptions = {}): Promise<number> {
  const server = tls.createServer({ ...own, ...options }, socket => {
    socket.on("error", ignored("the client ends connections as it likes"));
    socket.pipe(socket);
  });
  return listening(server);
}

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, host, resolve));
  ends.push(() => server.close());
  return (server.address() as { port: number }).port;
}

/** Connects, sends bytes and returns what comes back of them, or the error. */
async function exchange(port: number, options: TlsClientOptions, bytes = utf8("abc")): Promise<unknown> {
  return new Promise(resolve => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    env.network
      .connect(host, port, { timeoutMs: 5000, tls: options }, connection => ({
        onData: chunk => {
          chunks.push(chunk.slice());
          size += chunk.length;
          if (size < bytes.length) return;
          resolve(concat(chunks));
          connection.destroy();
        },
        onDrain: () => undefined,
        onClose: error => resolve(error),
      }))
      .then(connection => connection.write([bytes.subarray(0, 1), bytes.subarray(1)]), resolve);
  });
}

async function faultOf(port: number, options: TlsClientOptions): Promise<unknown> {
  const error = await exchange(port, options);
  return error instanceof TlsError ? error.fault : error;
}

test("bytes pass both ways, also more of them than buffers hold", async () => {
  const port = await echo();
  expect(await exchange(port, { ca: authority.cert })).toEqual(utf8("abc"));
  const many = env.random.bytes(3 << 20);
  expect(await exchange(port, { ca: [new Authority("another").cert, utf8(authority.cert)] }, many)).toEqual(many);
});

test("the versions of TLS are those that both sides have", async () => {
  const seen: (string | null)[] = [];
  const server = tls.createServer({ ...own, maxVersion: "TLSv1.2" }, socket => {
    seen.push(socket.getProtocol());
    socket.on("error", ignored("the client ends connections as it likes"));
    socket.pipe(socket);
  });
  const port = await listening(server);
  expect(await exchange(port, { ca: authority.cert })).toEqual(utf8("abc"));
  expect(await exchange(port, { ca: authority.cert, protocols: ["TLSv1.2"] })).toEqual(utf8("abc"));
  expect(await faultOf(port, { ca: authority.cert, protocols: ["TLSv1.3"] })).toBe("NOTHING_IN_COMMON");
  expect(seen).toEqual(["TLSv1.2", "TLSv1.2"]);
  const suite = "ECDHE-ECDSA-AES128-GCM-SHA256";
  expect(await exchange(port, { ca: authority.cert, cipherSuites: [suite] })).toEqual(utf8("abc"));
});

test("certificates that cannot be trusted say why", async () => {
  const trusted = { ca: authority.cert };
  expect(await faultOf(await echo(), {})).toBe("UNTRUSTED");
  expect(await faultOf(await echo(), { ca: new Authority("another").cert })).toBe("UNTRUSTED");
  const old = authority.issue({ name: "old", hosts: [host], valid: [-7_200_000, -3_600_000] });
  expect(await faultOf(await echo(old), trusted)).toBe("EXPIRED");
  const young = authority.issue({ name: "young", hosts: [host], valid: [3_600_000, 7_200_000] });
  expect(await faultOf(await echo(young), trusted)).toBe("NOT_YET_VALID");
  const other = await echo(authority.issue({ name: "other", hosts: ["broker-7"] }));
  expect(await faultOf(other, trusted)).toBe("WRONG_NAME");
  expect(await exchange(other, { ...trusted, serverName: "broker-7" })).toEqual(utf8("abc"));
  expect(await exchange(other, { ...trusted, verifyHostName: false })).toEqual(utf8("abc"));
  expect(await faultOf(other, { verifyHostName: false })).toBe("UNTRUSTED");
  const alone = selfSigned({ name: "broker", hosts: [host] });
  expect(await faultOf(await echo(alone), trusted)).toBe("UNTRUSTED");
  expect(await exchange(await echo(alone), { ca: alone.cert })).toEqual(utf8("abc"));
});

test("a server may want a certificate of the client", async () => {
  const port = await echo({ requestCert: true, rejectUnauthorized: true, ca: authority.cert });
  const ca = authority.cert;
  expect(await exchange(port, { ca, ...authority.issue({ name: "alice" }) })).toEqual(utf8("abc"));
  expect(await faultOf(port, { ca })).toBe("REFUSED");
  // Node's server closes the connection after it has seen a certificate of another authority.
  expect(await exchange(port, { ca, ...new Authority("another").issue({ name: "eve" }) })).toBeUndefined();
});

test("files are read at each connection", async () => {
  const folder = mkdtempSync(join(tmpdir(), "samsa-tls-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "ca.pem");
  const port = await echo();
  const missing = await exchange(port, { ca: { file } });
  expect(missing).toMatchObject({ fault: "INVALID_OPTIONS", code: "ENOENT" });
  expect(String(missing)).toContain(file);
  writeFileSync(file, "no certificate");
  expect(String(await exchange(port, { ca: { file } }))).toContain("the CA certificate has no certificate in PEM");
  writeFileSync(file, new Authority("another").cert);
  expect(await faultOf(port, { ca: { file } })).toBe("UNTRUSTED");
  writeFileSync(file, authority.cert);
  expect(await exchange(port, { ca: { file } })).toEqual(utf8("abc"));
  writeFileSync(file, new Authority("another").cert);
  expect(await faultOf(port, { ca: { file } }), "no longer trusted").toBe("UNTRUSTED");
});

test("options that cannot be used are refused before a connection is made", async () => {
  const { cert, key } = authority.issue({ name: "alice" });
  const wrong: readonly TlsClientOptions[] = [
    { cert: key, key },
    { cert, key: cert },
    { cert, key: authority.issue({ name: "bob" }).key },
    { store: utf8("no store"), passphrase: "x" },
    { cipherSuites: ["NO_SUCH_SUITE"] },
  ];
  for (const options of wrong) expect(await faultOf(1, options)).toBe("INVALID_OPTIONS");
});

test("a server that does not speak TLS is told from one that cannot be reached", async () => {
  const talker = await listening(net.createServer(socket => void socket.end("220 hello, this is no TLS at all\r\n")));
  expect(await faultOf(talker, {})).toBe("NOT_TLS");
  const closer = await listening(net.createServer(socket => void socket.once("data", () => socket.destroy())));
  expect(await faultOf(closer, {})).toBe("CLOSED");
  const refused = await exchange(1, {});
  expect(refused).toBeInstanceOf(NetworkError);
  expect(refused).toMatchObject({ name: "NetworkError", code: "ECONNREFUSED" });
  const silentPort = await listening(
    net.createServer(socket => void socket.on("error", ignored("the client ends connections as it likes"))),
  );
  const late = env.network.connect(host, silentPort, { timeoutMs: 100, tls: {} }, () => {
    throw new Error("there is no connection");
  });
  await expect(late).rejects.toMatchObject({ code: "ETIMEDOUT" });
});

test("web requests have a body, a status, a limit and trust", async () => {
  const server = https.createServer(own, (request, response) => {
    let body = "";
    request.on("data", chunk => (body += String(chunk)));
    request.on("end", () => {
      if (request.url === "/large") response.end("x".repeat(2 << 20));
      else if (request.url !== "/silent")
        response.writeHead(201).end(`${request.method} ${String(request.headers["x-y"])} ${body}`);
    });
  });
  const url = `https://${host}:${await listening(server)}`;
  ends.push(() => server.closeAllConnections());
  const request = { url, method: "POST", headers: { "x-y": "z" }, body: "a=b", timeoutMs: 5000 } as const;
  const trust = { ca: authority.cert };
  expect(await env.http.request({ ...request, tls: trust })).toEqual({ status: 201, body: "POST z a=b" });
  await expect(env.http.request(request)).rejects.toMatchObject({ fault: "UNTRUSTED" });
  await expect(env.http.request({ ...request, url: `${url}/large`, tls: trust })).rejects.toMatchObject({
    code: "EMSGSIZE",
  });
  await expect(
    env.http.request({ ...request, url: `${url}/silent`, tls: trust, timeoutMs: 100 }),
  ).rejects.toMatchObject({ code: "ETIMEDOUT" });
  await expect(env.http.request({ ...request, url: `http://${host}:1/` })).rejects.toMatchObject({
    code: "ECONNREFUSED",
  });
});

test("a listener ends the oldest of too many handshakes, and no connection that is secure", async () => {
  let served = 0;
  const listener = await env.network.listen(
    host,
    0,
    connection => ({
      onData: chunk => {
        served++;
        connection.write([chunk.slice()]);
      },
      onDrain() {},
      onClose() {},
    }),
    { tls: own },
  );
  const mute = (): Promise<net.Socket> =>
    new Promise(resolve => {
      const socket = net.connect(listener.port, host, () => resolve(socket));
      socket.on("error", ignored("the listener ends it"));
    });
  const secure = tls.connect({
    port: listener.port,
    host,
    ca: own.cert,
    checkServerIdentity: () => undefined,
    rejectUnauthorized: false,
  });
  const answers: string[] = [];
  secure.on("data", (chunk: Buffer) => answers.push(chunk.toString()));
  await new Promise<void>(resolve => secure.once("secureConnect", resolve));
  const first = await mute();
  const ended = new Promise<void>(resolve => first.once("close", () => resolve()));
  const others: net.Socket[] = [];
  for (let i = 0; i < 1000; i++) others.push(await mute());
  await ended;
  secure.write("still here");
  await expect.poll(() => answers.join("")).toBe("still here");
  expect(served).toBe(1);
  for (const socket of [secure, ...others]) socket.destroy();
  await listener.close();
});

test.each([false, true])(
  "a listener refuses another handshake on a connection, after a change: %s",
  async isChanged => {
    const handler = { onData: ignored("none"), onDrain: ignored("none"), onClose: ignored("the client ends it") };
    const listener = await env.network.listen(host, 0, () => handler, { tls: own });
    if (isChanged) listener.secure?.(own);
    const client = tls.connect({ port: listener.port, host, ca: authority.cert, maxVersion: "TLSv1.2" });
    await new Promise<void>(resolve => client.once("secureConnect", resolve));
    const outcome = await new Promise<string>(resolve => {
      client.on("error", error => resolve((error as NodeJS.ErrnoException).code ?? ""));
      client.renegotiate({}, error => resolve(String(error)));
    });
    expect(outcome).toBe("ERR_SSL_NO_RENEGOTIATION");
    client.destroy();
    await listener.close();
  },
);

test.each(["JKS", "PKCS12"] as const)("Java's stores are read: a key of JKS, trust of %s", async type => {
  const bytes = (base64: string): Uint8Array => Buffer.from(base64, "base64");
  const source = bytes(type === "JKS" ? JAVA_STORES.trustJks : JAVA_STORES.trustPkcs12);
  const store = { store: bytes(JAVA_STORES.key), storeType: "JKS", passphrase: "changeit" } as const;
  const listener = await env.network.listen(
    host,
    0,
    connection => ({ onData: chunk => void connection.write([chunk.slice()]), onDrain() {}, onClose() {} }),
    { tls: store },
  );
  ends.push(() => void listener.close());
  const { port } = listener;
  expect(await exchange(port, { trustStore: { source, type, password: "changeit" } })).toEqual(utf8("abc"));
  expect(await exchange(port, { ca: authority.cert })).toMatchObject({ fault: "UNTRUSTED" });
  const wrong = await exchange(port, { trustStore: { source, type, password: "wrong" } });
  expect(wrong).toMatchObject({ fault: "INVALID_OPTIONS" });
  const keyed = { tls: { ...store, passphrase: "wrong" } };
  await expect(env.network.listen(host, 0, () => expect.unreachable(), keyed)).rejects.toMatchObject({
    fault: "INVALID_OPTIONS",
  });
});
