import { createHash, randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Child, run } from "./child.ts";

export const ROOT = join(import.meta.dirname, "../../../../..");
const PACKAGE = join(import.meta.dirname, "../..");
const CACHE = join(ROOT, "node_modules/.cache/interop");
const SETUP_MS = 300_000;

/** Reason why a client is not available on this machine. */
export class Missing {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Creates a cache folder once. Of two concurrent callers, the second gets the first one's result. */
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

/** Undefined if a command runs, else what is missing. */
export async function present(name: string, command: string, args: readonly string[]): Promise<Missing | undefined> {
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

/** JVM options for programs that run for seconds: a small heap and no optimizing compiler. */
const JVM = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

const LOG = `-Dlog4j2.configurationFile=${join(PACKAGE, "java/log4j2.xml")}`;

/** Kafka release of the broker and clients in the jars. */
export const KAFKA_VERSION = "4.4.0";

/** Kafka release of the command-line tools, the newest in public repositories (see `java/pom.xml`). */
export const TOOLS_VERSION = "4.3.1";

/** Maven options for the jars that the tools were built on, which serve classes that the newer jars lack. */
const OLDER = [`-Dkafka.version=${TOOLS_VERSION}`, "-DincludeGroupIds=org.apache.kafka"];

/** Programs that need the older jars first: the newer ones have their classes, but without some methods. */
const ON_OLDER: readonly string[] = [
  "org.apache.kafka.tools.BrokerApiVersionsCommand",
  "org.apache.kafka.tools.DumpLogSegments",
  "org.apache.kafka.tools.ReplicaVerificationTool",
  "kafka.admin.ConfigCommand",
];

/** Program with its first arguments. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** Returns the command line of a Java main class. */
export type Java = (main: string, ...args: readonly string[]) => Program;

/** Folder with the jars of Kafka and its dependencies. */
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

/** Runner of Apache Kafka's programs, by main class. */
export async function findJava(): Promise<Java | Missing> {
  const jars = await findJars();
  if (jars instanceof Missing) return jars;
  const paths = [join(jars, "*"), join(jars, "older/*")];
  const classes = (main: string): string => (needsOlder(main) ? paths.toReversed() : paths).join(delimiter);
  return (main, ...args) => ({ command: "java", args: [...JVM, LOG, "-cp", classes(main), main, ...args] });
}

/** True if a program of Kafka's needs the older jars first. */
export function needsOlder(main: string): boolean {
  return ON_OLDER.includes(main);
}

/**
 * Compiles the Java programs of a folder into `into`. Rejects with the compiler's message: unlike a compiler that is
 * missing, a program that does not compile is no reason to skip anything.
 */
export async function compileJava(folder: string, classPath: string, into: string): Promise<void> {
  const sources = readdirSync(folder).filter(name => name.endsWith(".java"));
  // Paths within the folder keep the message short.
  const args = ["-nowarn", "-encoding", "UTF-8", "-cp", classPath, "-d", into, ...sources.toSorted()];
  const child = new Child("javac", args, { cwd: folder, input: "" });
  const timer = setTimeout(() => child.kill(), SETUP_MS);
  const end = await child.exited;
  clearTimeout(timer);
  if (end !== 0) throw new Error(`our Java programs do not compile (javac: ${end}): ${child.stderr}`);
}

/**
 * Runner of our programs in `java/`, compiled once. `older`: with the jars of the tools' release first. Rejects if they
 * do not compile.
 */
export async function findOurJava({ older = false }: { readonly older?: boolean } = {}): Promise<Java | Missing> {
  const jars = await findJars();
  if (jars instanceof Missing) return jars;
  const missing = await present("the Java compiler", "javac", ["-version"]);
  if (missing !== undefined) return missing;
  const source = join(PACKAGE, "java");
  const sources = readdirSync(source).filter(name => name.endsWith(".java"));
  const pin = sources.map(name => readFileSync(join(source, name), "utf8")).join("");
  const classes = await cached("java", pin + jars, folder => compileJava(source, join(jars, "*"), folder));
  const paths = older ? [join(jars, "older/*"), join(jars, "*")] : [join(jars, "*"), join(jars, "older/*")];
  const path = [classes, ...paths].join(delimiter);
  return (main, ...args) => ({ command: "java", args: [...JVM, LOG, "-cp", path, main, ...args] });
}

/** Go program in `go/`, built once. */
export async function findGo(name: string): Promise<Program | Missing> {
  const missing = await present("Go", "go", ["version"]);
  if (missing !== undefined) return missing;
  const source = join(PACKAGE, "go", name);
  const more = readdirSync(source).filter(file => file.endsWith(".go") && file !== "main.go");
  const files = ["main.go", "go.mod", "go.sum", ...more.toSorted()];
  const pin = files.map(file => readFileSync(join(source, file), "utf8")).join("");
  try {
    const folder = await cached(`go-${name}`, pin, async staging => {
      const env = { GOMODCACHE: join(CACHE, "go-modules"), GOCACHE: join(CACHE, "go-build") };
      // Make the module cache writable, so that node_modules can be removed.
      const flags = ["build", "-mod=readonly", "-modcacherw", "-o", join(staging, name), "."];
      await run("go", flags, { cwd: source, env, deadlineMs: SETUP_MS });
    });
    return { command: join(folder, name), args: [] };
  } catch (error) {
    return unavailable(`the Go program ${name}`, error);
  }
}

/** Tests of franz-go, built once from the module that `go/franz` uses: a test program of Go. */
export async function findFranzTests(): Promise<Program | Missing> {
  const missing = await present("Go", "go", ["version"]);
  if (missing !== undefined) return missing;
  const module = join(PACKAGE, "go/franz");
  try {
    const folder = await cached("go-franz-tests", readFileSync(join(module, "go.mod"), "utf8"), async staging => {
      const env = { GOMODCACHE: join(CACHE, "go-modules"), GOCACHE: join(CACHE, "go-build"), GOFLAGS: "-modcacherw" };
      await run("go", ["mod", "download"], { cwd: module, env, deadlineMs: SETUP_MS });
      const list = ["list", "-m", "-f", "{{.Dir}}", "github.com/twmb/franz-go"];
      const source = join(staging, "source");
      cpSync((await run("go", list, { cwd: module, env })).join("").trim(), source, { recursive: true });
      const flags = ["test", "-c", "-o", join(staging, "kgo.test"), "./pkg/kgo"];
      await run("go", flags, { cwd: source, env, deadlineMs: SETUP_MS });
      rmSync(source, { recursive: true });
    });
    return { command: join(folder, "kgo.test"), args: [] };
  } catch (error) {
    return unavailable("the tests of franz-go", error);
  }
}

/** Rust program in `rust/`, built once. */
export async function findRust(): Promise<Program | Missing> {
  const missing = await present("Rust", "cargo", ["--version"]);
  if (missing !== undefined) return missing;
  const source = join(PACKAGE, "rust");
  const pin = ["Cargo.toml", "src/main.rs"].map(file => readFileSync(join(source, file), "utf8")).join("");
  try {
    const folder = await cached("rust", pin, async staging => {
      // Build in a copy, because cargo writes its lockfile next to the manifest.
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

/** Returns the command line of a Python script. */
export type Python = (script: string, ...args: readonly string[]) => Program;

/** Runner of the scripts in `python/`, in a virtual environment with the clients of `requirements.txt`. */
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

/** Node script, run by the Node version that the repository pins. */
export function nodeProgram(...args: readonly string[]): Program {
  const pinned = join(ROOT, "node_modules/.bin/node");
  return { command: existsSync(pinned) ? pinned : process.execPath, args };
}

/** Builds and returns the `samsa` command; later changes of the sources do not affect it. */
export async function findSamsa(): Promise<Program> {
  await run(join(ROOT, "packages/app/cli/bin/samsa"), ["--version"], { deadlineMs: SETUP_MS });
  return nodeProgram(realpathSync(join(ROOT, "dist/current/samsa.mjs")));
}
