import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { JAVA_SETTINGS, javaSettings } from "@samsa/client-runtime";
import { parseEndpoints } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";

/** A cluster by a name: its brokers, and settings of clients. Secrets are references (`env:NAME`, `file:PATH`). */
export interface Context {
  readonly servers: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** Contexts of the user. */
export interface Contexts {
  /** Context of commands that name no other; null: none. */
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Context>>;
}

const SECRET = /password|secret|^sasl\.jaas\.config$|^ssl\.keystore\.key$/;
const REFERENCE = /^(env|file):(.+)$/s;
const NAME = /^[\w][\w.-]{0,99}$/;

/** Path of the file: `$SAMSA_CONFIG`, else `samsa/config.json` in the folder of configuration (XDG). */
export function contextsFile(): string {
  const { SAMSA_CONFIG: own = "", XDG_CONFIG_HOME: folder = "" } = process.env;
  if (own !== "") return own;
  return join(isAbsolute(folder) ? folder : join(homedir(), ".config"), "samsa", "config.json");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function contextOf(value: unknown): Context | undefined {
  if (!isRecord(value)) return undefined;
  const { servers, properties = {} } = value;
  if (typeof servers !== "string" || !isRecord(properties)) return undefined;
  const texts = Object.entries(properties).flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : []));
  if (texts.length < Object.keys(properties).length) return undefined;
  return { servers, properties: Object.fromEntries(texts) };
}

/** Reads the contexts; there are none if there is no file. Throws `Failure`. */
export function readContexts(): Contexts {
  const file = contextsFile();
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: null, contexts: {} };
    // The message of a syntax error quotes the text, which may have secrets.
    if (error instanceof SyntaxError) throw new Failure(`${file} is not JSON`);
    throw new Failure(`cannot read ${file}: ${(error as Error).message}`);
  }
  const { current = null, contexts = {} } = isRecord(content) ? content : { contexts: null };
  if ((current !== null && typeof current !== "string") || !isRecord(contexts)) {
    throw new Failure(`${file} has no contexts: it wants {"current": name, "contexts": {name: …}}`);
  }
  const all = new Map<string, Context>();
  for (const [name, value] of Object.entries(contexts)) {
    const context = contextOf(value);
    if (context === undefined) throw new Failure(`context ${name} of ${file} wants servers and properties, as texts`);
    all.set(name, context);
  }
  return { current, contexts: Object.fromEntries(all) };
}

/** Writes the contexts, whole or not at all, for the user's eyes only. Throws `Failure`. */
export function writeContexts(contexts: Contexts): void {
  const file = contextsFile();
  try {
    mkdirSync(dirname(file), { recursive: true });
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 });
    renameSync(draft, file);
  } catch (error) {
    throw new Failure(`cannot write ${file}: ${(error as Error).message}`);
  }
}

/** A context by its name. Throws `Failure`. */
export function contextNamed({ contexts }: Contexts, name: string): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  throw new Failure(`there is no context ${name} in ${contextsFile()}`);
}

/** Checks a name, servers or a property before they are written. Throws `Failure` or `KafkaError`. */
export function checkContext(name: string, { servers, properties }: Context): void {
  if (!NAME.test(name)) throw new Failure(`a context's name has letters, digits, . _ and -, not "${name}"`);
  if (parseEndpoints(servers) === undefined) {
    throw new Failure(`--bootstrap-server wants host:port, or several with commas between them, not "${servers}"`);
  }
  for (const [key, value] of Object.entries(properties)) {
    if (key === "bootstrap.servers") throw new Failure("bootstrap.servers of a context is --bootstrap-server");
    if (SECRET.test(key) && !REFERENCE.test(value)) throw new Failure(wantsReference(key));
    // Settings of security are checked when they are used, all together and with their secrets.
    if (JAVA_SETTINGS[key] !== "client.security") javaSettings(new Map([[key, value]]));
  }
}

const wantsReference = (key: string): string => `${key} is a secret: give env:NAME or file:PATH, where it is`;

/** Properties of a context with its secrets. Throws `Failure`. */
export function propertiesWithSecrets({ properties }: Context): Map<string, string> {
  return new Map(
    Object.entries(properties).map(([key, value]) => [key, SECRET.test(key) ? secretOf(key, value) : value]),
  );
}

function secretOf(key: string, reference: string): string {
  const [, kind, place = ""] = REFERENCE.exec(reference) ?? [];
  if (kind === undefined) throw new Failure(wantsReference(key));
  if (kind === "env") {
    const value = process.env[place];
    if (value === undefined) throw new Failure(`${key}: the environment has no ${place}`);
    return value;
  }
  try {
    return readFileSync(place, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new Failure(`${key}: cannot read ${place}: ${(error as Error).message}`);
  }
}
