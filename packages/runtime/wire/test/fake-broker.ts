import { BufferPool, ByteReader, type Connection } from "@samsa/base";
import { APIS, apiOf, FrameSplitter, requestHeader, requestHeaderVersion, responseFrame } from "@samsa/protocol";
import { World, type WorldOptions } from "@samsa/sim";
import type { ConnectionOptions, WireError } from "../src/index.ts";

export const PORT = 9092;
export const AT = { host: "broker", port: PORT };
export const OPTIONS = { clientId: "test", software: { name: "samsa", version: "0.1.0" } } satisfies ConnectionOptions;

/** A request that the fake broker has received, and the ways to answer it. */
export interface Received {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly body: unknown;
  readonly connection: Connection;
  /** Replies at the version of the request, or at another one or with another correlation id. */
  reply(body: object, as?: { readonly version?: number; readonly correlationId?: number }): void;
}

type Script = (request: Received) => unknown;

/** Ranges that the fake broker announces: all APIs, but Metadata and DescribeGroups as an older broker has them. */
export const RANGES = APIS.filter(({ name }) => name !== "Vote").map(({ key, name, first, lastStable }) => ({
  apiKey: key,
  minVersion: first,
  maxVersion: name === "Metadata" ? 9 : name === "DescribeGroups" ? 3 : lastStable,
}));

export const VERSIONS = { errorCode: 0, apiKeys: RANGES };

/** Node "broker" of a simulated world, whose requests a script answers; and node "client". */
export class Fixture {
  readonly world: World;
  readonly requests: Received[] = [];
  /** Connections that were accepted and not closed. */
  readonly connections = new Set<Connection>();
  accepted = 0;
  /** Answers all requests but ApiVersions, which are in `versions`. */
  script: Script = () => {};
  versions: Script = request => request.reply(VERSIONS);

  constructor(seed: number, options: WorldOptions = {}) {
    this.world = new World(seed, options);
  }

  static async start(seed = 1, options: WorldOptions = {}): Promise<Fixture> {
    const fixture = new Fixture(seed, options);
    await fixture.listen();
    return fixture;
  }

  get env() {
    return this.world.node("client").env;
  }

  async listen(): Promise<void> {
    await this.world.node("broker").env.network.listen("broker", PORT, connection => {
      this.accepted++;
      this.connections.add(connection);
      const frames = new FrameSplitter(1 << 27, new BufferPool());
      return {
        onData: chunk => frames.push(chunk).forEach(frame => this.#receive(connection, frame)),
        onDrain: () => {},
        onClose: () => void this.connections.delete(connection),
      };
    });
  }

  #receive(connection: Connection, frame: Uint8Array): void {
    const reader = new ByteReader(frame);
    const [key, version] = [reader.view.getInt16(0), reader.view.getInt16(2)];
    const head = requestHeader.decode(reader, requestHeaderVersion(key, version));
    const api = apiOf(key);
    if (api === undefined) throw new Error(`no API ${key}`);
    const body = api.request.decode(reader, version);
    const { correlationId, clientId } = head;
    const reply: Received["reply"] = (response, as = {}) => {
      const to = { key, version, correlationId, ...as };
      connection.write(responseFrame(to, api.response, response));
    };
    const request = { key, version, correlationId, clientId, body, connection, reply };
    this.requests.push(request);
    if (api.name === "ApiVersions") this.versions(request);
    else this.script(request);
  }

  /** Runs the world until the promise is settled. Returns its value, or throws its error. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = (): void => void (isSettled = true);
    promise.then(end, end);
    await this.world.runUntil(() => isSettled, 200_000);
    return promise;
  }

  /** Runs the world until all promises are rejected. Returns their errors. */
  async failures(promises: readonly Promise<unknown>[]): Promise<WireError[]> {
    const results = await this.settled(Promise.allSettled(promises));
    return results.map(result => {
      if (result.status === "rejected") return result.reason as WireError;
      throw new Error("a promise was not rejected");
    });
  }

  /** Runs the world until the promise is rejected. Returns its error. */
  async failed(promise: Promise<unknown>): Promise<WireError> {
    const [error] = await this.failures([promise]);
    return error;
  }
}
