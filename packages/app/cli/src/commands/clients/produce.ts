import { KafkaError } from "@samsa/client-kernel";
import { Producer, type ProducerOptions, type ProducerRecord } from "@samsa/client-runtime";
import { CODEC_NAMES, defaultCompression } from "@samsa/records";
import { pair } from "../../settings/pair.ts";
import { clientSettings, type Common } from "../../settings/client-settings.ts";
import { clusterClient, reached } from "./client.ts";
import { readLines } from "./line-reader.ts";
import { Failure } from "../../terminal/failure.ts";
import { toJson } from "../../terminal/json.ts";
import { Progress } from "../../terminal/progress.ts";

/** Options of `samsa produce`. */
export interface ProduceOptions extends Common {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly header: readonly string[];
  readonly partition?: string;
  readonly file: readonly string[];
  readonly jsonLines?: boolean;
  readonly compression?: string;
  readonly acks?: string;
}

/** Turns a line into a record. Throws `Failure`. */
type Parse = (line: Uint8Array) => ProducerRecord;

const ACKS: Readonly<Record<string, -1 | 0 | 1>> = { all: -1, "-1": -1, "1": 1, "0": 0 };

function settingsOf({ acks, compression }: ProduceOptions): ProducerOptions {
  const count = acks === undefined ? undefined : ACKS[acks];
  if (acks !== undefined && count === undefined) throw new Failure(`--acks wants all, 1 or 0, not "${acks}"`);
  const codec = ([0, 1, 2, 3, 4] as const).find(each => CODEC_NAMES[each] === compression);
  if (compression !== undefined && codec === undefined) {
    throw new Failure(`--compression wants one of ${CODEC_NAMES.join(", ")}, not "${compression}"`);
  }
  return {
    ...(count === undefined ? {} : { acks: count }),
    ...(codec === undefined ? {} : { compression: defaultCompression(codec) }),
  };
}

function parserOf(topic: string, options: ProduceOptions): Parse {
  const { key = null, keySeparator, partition } = options;
  if (partition !== undefined && !/^\d{1,9}$/.test(partition)) {
    throw new Failure(`--partition wants a number, not "${partition}"`);
  }
  if (keySeparator === "") throw new Failure("--key-separator wants a text of at least one character");
  const headers = options.header.map(text => {
    const { name, value } = pair(text, "--header");
    return { key: name, value: Buffer.from(value) };
  });
  const shared = { topic, headers, ...(partition === undefined ? {} : { partition: Number(partition) }) };
  if (options.jsonLines === true) return line => ({ ...shared, ...fromJson(line) });
  if (keySeparator === undefined) return value => ({ ...shared, key, value });
  const separator = Buffer.from(keySeparator);
  return line => {
    const bytes = Buffer.from(line.buffer, line.byteOffset, line.length);
    const at = bytes.indexOf(separator);
    if (at < 0) throw new Failure(`a line has no "${keySeparator}" between its key and its value: ${bytes.toString()}`);
    return { ...shared, key: bytes.subarray(0, at), value: bytes.subarray(at + separator.length) };
  };
}

/** Record of a JSON line, as `samsa consume --json` prints it; the topic and the offset of the line do not count. */
function fromJson(line: Uint8Array): Omit<ProducerRecord, "topic"> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(line).toString());
  } catch (error) {
    throw new Failure(`a line is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof parsed !== "object" || parsed === null || !("value" in parsed)) {
    throw new Failure("a line of --json-lines is an object with a value, and may have a key, headers and a timestamp");
  }
  const { value, key, headers, timestamp, partition } = parsed as Readonly<Record<string, unknown>>;
  return {
    value: bytesOf(value),
    key: bytesOf(key),
    ...(Array.isArray(headers) ? { headers: headers.map(headerOf) } : {}),
    ...(typeof timestamp === "number" ? { timestamp } : {}),
    ...(typeof partition === "number" ? { partition } : {}),
  };
}

function headerOf(header: unknown): { readonly key: string; readonly value: Uint8Array | null } {
  if (typeof header === "object" && header !== null && "key" in header && typeof header.key === "string") {
    const value = bytesOf("value" in header ? header.value : null);
    return { key: header.key, value: typeof value === "string" ? Buffer.from(value) : value };
  }
  throw new Failure(`a header is {"key": …, "value": …}, not ${JSON.stringify(header)}`);
}

/** Texts as they are, `{ base64 }` as bytes, everything else as JSON. */
function bytesOf(value: unknown): Uint8Array | string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  if (typeof value === "object" && "base64" in value && typeof value.base64 === "string") {
    return Buffer.from(value.base64, "base64");
  }
  return JSON.stringify(value);
}

/** `samsa produce`: writes values that are given, or the lines of files or of standard input. */
export async function produce(topic: string, values: readonly string[], options: ProduceOptions): Promise<void> {
  const parse = parserOf(topic, options);
  const settings = clientSettings(options);
  const client = clusterClient(settings, { allowAutoTopicCreation: true });
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
    process.stdin.destroy();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  const progress = new Progress("written");
  try {
    await reached(client);
    const producer = new Producer(client, { ...settings.producer, ...settingsOf(options) });
    const writing = new Writing(producer, progress);
    if (values.length > 0) await writing.all(values.map(value => parse(Buffer.from(value))));
    else await writing.lines(readLines(options.file, stop.signal), parse);
    await writing.end(topic, options.json === true);
  } finally {
    progress.end();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
    client.close();
  }
}

/** Records on their way, and how many have arrived. */
class Writing {
  readonly #producer: Producer;
  readonly #progress: Progress;
  #sent = 0;
  #failed = 0;
  /** First error. */
  error: KafkaError | undefined;

  constructor(producer: Producer, progress: Progress) {
    this.#producer = producer;
    this.#progress = progress;
  }

  readonly #ended = (error: KafkaError | undefined): void => {
    if (error === undefined) this.#progress.add(1);
    else {
      this.#failed++;
      this.error ??= error;
    }
  };

  /** Sends records whose topic may not be known yet. */
  async all(records: readonly ProducerRecord[]): Promise<void> {
    this.#sent += records.length;
    await Promise.all(
      records.map(record =>
        this.#producer.send(record).then(
          () => this.#ended(undefined),
          (error: unknown) => {
            if (!(error instanceof KafkaError)) throw error;
            this.#ended(error);
          },
        ),
      ),
    );
  }

  /** Sends lines until one fails. Throws `Failure` for one that is no record, once those before it are written. */
  async lines(chunks: AsyncIterable<readonly Uint8Array[]>, parse: Parse): Promise<void> {
    try {
      for await (const lines of chunks) {
        for (const line of lines) if (!this.#take(parse(line))) await this.#room(parse(line));
        if (this.error !== undefined) break;
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      await this.#producer.flush();
      const { count } = this.#progress;
      throw count === 0 ? error : new Failure(`${error.message} (records written before it: ${count})`);
    }
  }

  /** False: there is no room at the moment. */
  #take(record: ProducerRecord): boolean {
    const isTaken = this.#producer.offer(record, this.#ended);
    if (isTaken) this.#sent++;
    return isTaken;
  }

  /** Takes a record once there is room. */
  async #room(record: ProducerRecord): Promise<void> {
    do await this.#producer.drained();
    while (!this.#take(record));
  }

  /** Waits for all records. Throws `Failure` if some were not written. */
  async end(topic: string, json: boolean): Promise<void> {
    await this.#producer.flush();
    await this.#producer.close();
    if (this.error !== undefined) {
      const some = this.#sent === 1 ? "the record was" : `${this.#failed} of ${this.#sent} records were`;
      throw new Failure(`${some} not written: ${this.error.message}`);
    }
    if (json) console.log(toJson({ topic, records: this.#sent }));
  }
}
