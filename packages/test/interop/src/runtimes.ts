import { createHash, randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run } from "./child.ts";

export const ROOT = join(import.meta.dirname, "../../../..");
const PACKAGE = join(import.meta.dirname, "..");
const CACHE = join(ROOT, "node_modules/.cache/interop");
const SETUP_MS = 300_000;

/** Why a client cannot be tried here. */
export class Missing {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Makes a folder of the cache once. A second maker at the same time finds the first one's result. */
async function cached(name: string, pin: string, make: (folder: string) => Promise<void>): Promise<string> {
  const key = createHash("sha256").update(pin).digest("hex").slice(0, 12);
  const folder = join(CACHE, `${name}-${key}`);
  if (existsSync(folder)) return folder;
  const staging = `${folder}.${randomUUID().slice(0, 8)}`;
  mkdirSync(CACHE, { recursive: true });
  try {
    await make(staging);
    if (!existsSync(folder)) renameSync(staging, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return folder;
}

async function present(name: string, command: string, args: readonly string[]): Promise<Missing | undefined> {
  try {
    await run(command, args);
    return undefined;
  } catch {
    return new Missing(`${name} is not installed`);
  }
}

function unavailable(what: string, error: unknown): Missing {
  return new Missing(`${what} cannot be had: ${String(error).split("\n").slice(0, 3).join(" ")}`);
}

/** A small heap and no optimizing compiler: these programs live for seconds. */
const JVM = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

const LOG = `-Dlog4j2.configurationFile=${join(PACKAGE, "java/log4j2.xml")}`;

/** The release whose broker and clients are in the jars. */
export const KAFKA_VERSION = "4.4.0";

/** The release of the command-line tools, the newest in public repositories (see `java/pom.xml`). */
export const TOOLS_VERSION = "4.3.1";

/** What the tools were built on, in which classes are where they look for them; found last, these serve. */
const OLDER = [`-Dkafka.version=${TOOLS_VERSION}`, "-DincludeGroupIds=org.apache.kafka"];

/** Programs for which they must be found first: methods are gone from classes that are still there. */
const ON_OLDER: readonly string[] = [
  "org.apache.kafka.tools.BrokerApiVersionsCommand",
  "org.apache.kafka.tools.DumpLogSegments",
  "org.apache.kafka.tools.ReplicaVerificationTool",
  "kafka.admin.ConfigCommand",
];

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export type Java = (main: string, ...args: readonly string[]) => Program;

/** The folder with the jars of Kafka and of all it needs. */
export async function findJars(): Promise<string | Missing> {
  const missing = (await present("Java", "java", ["-version"])) ?? (await present("Maven", "mvn", ["--version"]));
  if (missing !== undefined) return missing;
  const pom = join(PACKAGE, "java/pom.xml");
  try {
    return await cached("jars", readFileSync(pom, "utf8") + OLDER.join(), async folder => {
      const maven = ["-B", "-q", "-f", pom, "dependency:copy-dependencies"];
      await run("mvn", [...maven, `-DoutputDirectory=${folder}`], { deadlineMs: SETUP_MS });
      await run("mvn", [...maven, ...OLDER, `-DoutputDirectory=${join(folder, "older")}`], { deadlineMs: SETUP_MS });
    });
  } catch (error) {
    return unavailable("Kafka's jars", error);
  }
}

/** Apache Kafka's programs, by main class. */
export async function findJava(): Promise<Java | Missing> {
  const jars = await findJars();
  if (jars instanceof Missing) return jars;
  const paths = [join(jars, "*"), join(jars, "older/*")];
  const classes = (main: string): string => (ON_OLDER.includes(main) ? paths.toReversed() : paths).join(delimiter);
  return (main, ...args) => ({ command: "java", args: [...JVM, LOG, "-cp", classes(main), main, ...args] });
}

/** Programs of ours in `java/`, compiled once. */
export async function findOurJava(): Promise<Java | Missing> {
  const jars = await findJars();
  if (jars instanceof Missing) return jars;
  const missing = await present("the Java compiler", "javac", ["-version"]);
  if (missing !== undefined) return missing;
  const sources = readdirSync(join(PACKAGE, "java"))
    .filter(name => name.endsWith(".java"))
    .map(name => join(PACKAGE, "java", name));
  const pin = sources.map(source => readFileSync(source, "utf8")).join("");
  try {
    const classes = await cached("java", pin + jars, async folder => {
      await run("javac", ["-nowarn", "-cp", join(jars, "*"), "-d", folder, ...sources], { deadlineMs: SETUP_MS });
    });
    const path = [classes, join(jars, "*")].join(delimiter);
    return (main, ...args) => ({ command: "java", args: [...JVM, LOG, "-cp", path, main, ...args] });
  } catch (error) {
    return unavailable("our Java programs", error);
  }
}

/** A Go program of ours in `go/`, built once. */
export async function findGo(name: string): Promise<Program | Missing> {
  const missing = await present("Go", "go", ["version"]);
  if (missing !== undefined) return missing;
  const source = join(PACKAGE, "go", name);
  const pin = ["main.go", "go.mod", "go.sum"].map(file => readFileSync(join(source, file), "utf8")).join("");
  try {
    const folder = await cached(`go-${name}`, pin, async staging => {
      const env = { GOMODCACHE: join(CACHE, "go-modules"), GOCACHE: join(CACHE, "go-build") };
      // Writable modules, so that whoever removes node_modules can.
      const flags = ["build", "-mod=readonly", "-modcacherw", "-o", join(staging, name), "."];
      await run("go", flags, { cwd: source, env, deadlineMs: SETUP_MS });
    });
    return { command: join(folder, name), args: [] };
  } catch (error) {
    return unavailable(`the Go program ${name}`, error);
  }
}

/** The Rust program of ours in `rust/`, built once. */
export async function findRust(): Promise<Program | Missing> {
  const missing = await present("Rust", "cargo", ["--version"]);
  if (missing !== undefined) return missing;
  const source = join(PACKAGE, "rust");
  const pin = ["Cargo.toml", "src/main.rs"].map(file => readFileSync(join(source, file), "utf8")).join("");
  try {
    const folder = await cached("rust", pin, async staging => {
      // In a copy, because cargo writes its lockfile beside the manifest.
      cpSync(source, staging, { recursive: true });
      const env = { CARGO_TARGET_DIR: join(CACHE, "rust-build") };
      await run("cargo", ["build", "-q", "--release"], { cwd: staging, env, deadlineMs: SETUP_MS });
      cpSync(join(CACHE, "rust-build/release/rskafka-walk"), join(staging, "rskafka-walk"));
    });
    return { command: join(folder, "rskafka-walk"), args: [] };
  } catch (error) {
    return unavailable("the Rust program", error);
  }
}

export type Python = (script: string, ...args: readonly string[]) => Program;

/** Scripts of `python/`, on a virtual environment with the clients of `requirements.txt`. */
export async function findPython(): Promise<Python | Missing> {
  const missing = await present("Python 3", "python3", ["-c", "import venv, sys; assert sys.version_info >= (3, 9)"]);
  if (missing !== undefined) return missing;
  const requirements = join(PACKAGE, "python/requirements.txt");
  try {
    const environment = await cached("python", readFileSync(requirements, "utf8"), async folder => {
      await run("python3", ["-m", "venv", folder], { deadlineMs: SETUP_MS });
      const pip = ["-m", "pip", "install", "-q", "-r", requirements];
      await run(join(folder, "bin/python"), pip, { deadlineMs: SETUP_MS });
    });
    return (script, ...args) => ({
      command: join(environment, "bin/python"),
      args: ["-u", join(PACKAGE, "python", script), ...args],
    });
  } catch (error) {
    return unavailable("the Python clients", error);
  }
}

/** A script of ours on the Node that the repository pins. */
export function nodeProgram(...args: readonly string[]): Program {
  const pinned = join(ROOT, "node_modules/.bin/node");
  return { command: existsSync(pinned) ? pinned : process.execPath, args };
}

/** The `samsa` command of the current sources, which stays as it is when they change. */
export async function findSamsa(): Promise<Program> {
  await run(join(ROOT, "packages/app/cli/bin/samsa"), ["--version"], { deadlineMs: SETUP_MS });
  return nodeProgram(realpathSync(join(ROOT, "dist/current/samsa.mjs")));
}
