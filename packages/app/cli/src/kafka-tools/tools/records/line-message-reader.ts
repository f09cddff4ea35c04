import type { ProducerRecord } from "@samsa/client-runtime";
import { ToolError } from "../../java/exits.ts";

const KAFKA_EXCEPTION = "org.apache.kafka.common.KafkaException";

interface Settings {
  readonly topic: string;
  readonly parseKey: boolean;
  readonly keySeparator: string;
  readonly parseHeaders: boolean;
  readonly headersDelimiter: string;
  readonly headersSeparator: string;
  readonly headersKeySeparator: string;
  readonly ignoreError: boolean;
  readonly nullMarker: string | undefined;
}

function fail(message: string): never {
  throw new ToolError(message, KAFKA_EXCEPTION);
}

function settingsOf(topic: string, properties: ReadonlyMap<string, string>): Settings {
  const isTrue = (name: string): boolean => (properties.get(name) ?? "").trim().toLowerCase() === "true";
  const settings: Settings = {
    topic,
    parseKey: isTrue("parse.key"),
    keySeparator: properties.get("key.separator") ?? "\t",
    parseHeaders: isTrue("parse.headers"),
    headersDelimiter: properties.get("headers.delimiter") ?? "\t",
    headersSeparator: properties.get("headers.separator") ?? ",",
    headersKeySeparator: properties.get("headers.key.separator") ?? ":",
    ignoreError: isTrue("ignore.error"),
    nullMarker: properties.get("null.marker"),
  };
  const { headersDelimiter, headersSeparator, headersKeySeparator, keySeparator, nullMarker } = settings;
  const different: readonly (readonly [string, string, string | undefined, string])[] = [
    ["headers.delimiter", headersDelimiter, headersSeparator, "headers.separator"],
    ["headers.delimiter", headersDelimiter, headersKeySeparator, "headers.key.separator"],
    ["headers.separator", headersSeparator, headersKeySeparator, "headers.key.separator"],
    ["null.marker", keySeparator, nullMarker, "key.separator"],
    ["null.marker", headersSeparator, nullMarker, "headers.separator"],
    ["null.marker", headersDelimiter, nullMarker, "headers.delimiter"],
    ["null.marker", headersKeySeparator, nullMarker, "headers.key.separator"],
  ];
  for (const [one, a, b, other] of different) if (a === b) fail(`${one} and ${other} may not be equal`);
  return settings;
}

/** Makes records of lines of text (`LineMessageReader`). */
export class LineMessageReader {
  readonly #settings: Settings;
  readonly #separator: RegExp;
  #line = 0;

  /** Throws `ToolError` for settings that cannot be. */
  constructor(topic: string, properties: ReadonlyMap<string, string>) {
    this.#settings = settingsOf(topic, properties);
    this.#separator = new RegExp(this.#settings.headersSeparator);
  }

  /** Record of the next line. Throws `ToolError` for a line without what the settings promise. */
  read(bytes: Uint8Array): ProducerRecord {
    this.#line++;
    const { topic, parseKey, parseHeaders, headersDelimiter, keySeparator, nullMarker } = this.#settings;
    if (!parseKey && !parseHeaders && nullMarker === undefined) return { topic, value: bytes };
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    const headers = parseHeaders ? this.#part(line, 0, headersDelimiter, "headers delimiter") : undefined;
    const headersEnd = headers === undefined ? 0 : headers.length + headersDelimiter.length;
    const key = parseKey ? this.#part(line, headersEnd, keySeparator, "key separator") : undefined;
    const value = line.slice(headersEnd + (key === undefined ? 0 : key.length + keySeparator.length));
    return {
      topic,
      key: key === undefined || key === nullMarker ? null : key,
      value: value === nullMarker ? null : value,
      ...(headers === undefined || headers === nullMarker ? {} : { headers: this.#headers(headers) }),
    };
  }

  #part(line: string, from: number, separator: string, name: string): string | undefined {
    const end = line.indexOf(separator, from);
    if (end >= 0) return line.slice(from, end);
    if (this.#settings.ignoreError) return undefined;
    return fail(`No ${name} found on line number ${this.#line}: '${line}'`);
  }

  #headers(text: string): { readonly key: string; readonly value: Uint8Array | null }[] {
    const { headersKeySeparator, ignoreError, nullMarker } = this.#settings;
    const pairs = text.split(this.#separator);
    while (pairs.length > 1 && pairs.at(-1) === "") pairs.pop();
    return pairs.map(pair => {
      const at = pair.indexOf(headersKeySeparator);
      if (at < 0) {
        if (ignoreError) return { key: pair, value: null };
        return fail(`No header key separator found in pair '${pair}' on line number ${this.#line}`);
      }
      const key = pair.slice(0, at);
      if (key === nullMarker) {
        fail(`Header keys should not be equal to the null marker '${nullMarker}' as they can't be null`);
      }
      const value = pair.slice(at + headersKeySeparator.length);
      return { key, value: value === nullMarker ? null : Buffer.from(value) };
    });
  }
}
