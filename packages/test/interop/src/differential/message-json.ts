import { Child } from "../processes/child.ts";
import type { Program } from "../processes/runtimes.ts";

/** Record of a coordinator, as JSON from Kafka's converters. */
export interface RecordJson {
  readonly type: number;
  readonly key: unknown;
  readonly value: unknown;
  readonly version?: number;
}

/** Serializes to JSON, with integers of any size and non-finite numbers written as they are. */
function toJson(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}:${toJson(part)}`);
  return `{${members.join()}}`;
}

/** Parses JSON; integers that a double cannot hold become `bigint`. */
function fromJson(text: string): unknown {
  // The compiler's types do not know the third argument yet.
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" &&
    Number.isInteger(value) &&
    !Number.isSafeInteger(value) &&
    context?.source !== undefined
      ? BigInt(context.source)
      : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** Kafka's own JSON converters, in a separate process (`java/MessageJson.java`). */
export class MessageJson {
  readonly #child: Child;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor({ command, args }: Program) {
    this.#child = new Child(command, args, { onLine: line => this.#waiting.shift()?.(line) });
    const ended = (): void => {
      for (const end of this.#waiting.splice(0)) end(`{"error":${JSON.stringify(`ended: ${this.#child.stderr}`)}}`);
    };
    this.#child.exited.then(ended, ended);
  }

  async #ask(question: object): Promise<Record<string, unknown>> {
    const line = await new Promise<string>(resolve => {
      this.#waiting.push(resolve);
      this.#child.write(`${toJson(question)}\n`);
    });
    return fromJson(line) as Record<string, unknown>;
  }

  /** Encodes a request with its header, without its size. Returns an `Error` if Kafka's classes refuse the body. */
  async encode(api: string, version: number, body: object, correlationId: number): Promise<Buffer | Error> {
    const { hex, error } = await this.#ask({ encode: api, version, correlationId, body });
    return typeof hex === "string" ? Buffer.from(hex, "hex") : new Error(JSON.stringify(error));
  }

  /**
   * Decodes the body of a response; `records` has the records of each fetched partition in hexadecimal. Rejects if
   * Kafka's classes cannot read it.
   */
  async decode(api: string, version: number, bytes: Uint8Array): Promise<unknown> {
    const found = await this.#ask({ decode: api, version, hex: Buffer.from(bytes).toString("hex") });
    const { body, error, records } = found;
    if (error !== undefined) throw new Error(`${api} ${version} cannot be read: ${JSON.stringify(error)}`);
    return records === undefined ? body : { ...(body as object), records };
  }

  /** Body of the response to a request that fails with an error; null: none is sent. Rejects if Kafka's classes fail. */
  async failure(api: string, version: number, body: object, code: number): Promise<unknown> {
    const answer = await this.#ask({ fail: api, version, body, code });
    if (answer["error"] !== undefined) throw new Error(`${api} ${version}: ${JSON.stringify(answer["error"])}`);
    return answer["body"];
  }

  /** Decodes a record of a coordinator's topic. Rejects if Kafka's classes cannot read it. */
  async record(of: "group" | "share" | "transaction", key: Uint8Array, value: Uint8Array | null): Promise<RecordJson> {
    const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString("hex"));
    const { error, ...found } = await this.#ask({ of, key: hex(key), value: hex(value) });
    if (typeof error === "string") throw new Error(`a record of a ${of} coordinator cannot be read: ${error}`);
    return found as unknown as RecordJson;
  }

  async close(): Promise<void> {
    this.#child.closeInput();
    await this.#child.exited;
  }
}
