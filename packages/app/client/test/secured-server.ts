import type { Socket } from "node:net";
import * as tls from "node:tls";
import { BufferPool, ByteReader, fromUtf8, ignored } from "@samsa/base";
import { Authority } from "@samsa/certificates";
import { APIS, apiOf, FrameSplitter, requestHeader, requestHeaderVersion, responseFrame } from "@samsa/protocol";

const RANGES = APIS.map(({ key, first, lastStable }) => ({ apiKey: key, minVersion: first, maxVersion: lastStable }));
const ERRORS = { none: 0, mechanism: 33, authentication: 58 } as const;

/** A broker's front: TLS on 127.0.0.1, PLAIN with alice and sesame, and Metadata of a cluster with nothing in it. */
export class SecuredServer implements AsyncDisposable {
  readonly authority = new Authority();
  /** Client ids of those who have been let in. */
  readonly admitted: (string | null)[] = [];
  /** Common names of the certificates of clients; undefined: none. */
  readonly names: (string | undefined)[] = [];
  readonly #server: tls.Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    const options = { requestCert: true, rejectUnauthorized: false, ca: this.authority.cert };
    const own = this.authority.issue({ name: "broker", hosts: ["127.0.0.1"] });
    this.#server = tls.createServer({ ...own, ...options }, socket => this.#serve(socket));
  }

  static async start(): Promise<SecuredServer> {
    const server = new SecuredServer();
    await new Promise<void>(resolve => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #serve(socket: tls.TLSSocket): void {
    this.#sockets.add(socket);
    this.names.push(socket.getPeerCertificate().subject?.CN as string | undefined);
    socket.on("error", ignored("the client ends connections as it likes"));
    socket.on("close", () => this.#sockets.delete(socket));
    const frames = new FrameSplitter(1 << 20, new BufferPool());
    let isAdmitted = false;
    socket.on("data", (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) {
        const reader = new ByteReader(frame);
        const [key, version] = [reader.view.getInt16(0), reader.view.getInt16(2)];
        const { correlationId, clientId } = requestHeader.decode(reader, requestHeaderVersion(key, version));
        const api = apiOf(key)!;
        const answer = this.#answer(api.name, api.request.decode(reader, version));
        if (api.name === "SaslAuthenticate" && answer.errorCode === ERRORS.none) {
          isAdmitted = true;
          this.admitted.push(clientId);
        }
        if (!isAdmitted && !["ApiVersions", "SaslHandshake", "SaslAuthenticate"].includes(api.name)) socket.destroy();
        else
          for (const part of responseFrame({ key, version, correlationId }, api.response, answer)) socket.write(part);
      }
    });
  }

  #answer(api: string, body: unknown): { readonly errorCode?: number } {
    switch (api) {
      case "ApiVersions":
        return { errorCode: ERRORS.none, apiKeys: RANGES } as object;
      case "SaslHandshake": {
        const isKnown = (body as { mechanism: string }).mechanism === "PLAIN";
        return { errorCode: isKnown ? ERRORS.none : ERRORS.mechanism, mechanisms: ["PLAIN"] } as object;
      }
      case "SaslAuthenticate": {
        const isRight = fromUtf8((body as { authBytes: Uint8Array }).authBytes) === "\0alice\0sesame";
        const errorCode = isRight ? ERRORS.none : ERRORS.authentication;
        return { errorCode, errorMessage: null, authBytes: new Uint8Array(0), sessionLifetimeMs: 0 } as object;
      }
      default: {
        const brokers = [{ nodeId: 1, host: "127.0.0.1", port: this.port, rack: null }];
        return { brokers, clusterId: "secured", controllerId: 1, topics: [] } as object;
      }
    }
  }
}
