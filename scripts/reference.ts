/**
 * `npm run reference [-- folder]`: writes the API reference of the published packages, as web pages, from the doc comments in
 * their declarations. A type that users meet and cannot import is an error.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { command } from "./options.ts";

/** Packages that programs import, and types that only their own constructors have, or that @opentelemetry/api names. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  client: [
    ...["Consumer", "ConsumedRecord", "ClusterClient", "Producer", "TypedConsumerParts", "TypedProducerParts"],
    ...[
      "Attributes",
      "Histogram",
      "Instrument",
      "Span",
      "BearerTokens",
      "Branded",
      "CodecId",
      "Handler",
      "ProtocolError",
    ],
    ...["AssignorName", "CLIENT_ERRORS", "RESOURCE_TYPES", "SPECIAL"],
  ],
  testkit: [],
};

const root = join(import.meta.dirname, "..");
const [given = join(root, "dist", "reference")] = command("reference", "writes the API reference as web pages")
  .argument("[folder]", "where it goes instead of dist/reference; what is there is removed")
  .parse().args;
const target = resolve(given);
const tools = join(root, ".samsa", "reference");
const staging = mkdtempSync(join(tmpdir(), "samsa-reference-"));

/** Installs the tools, unless they are there already. */
function install(): void {
  const lock = "package-lock.json";
  const wanted = readFileSync(join(root, "scripts/reference", lock), "utf8");
  const isThere = existsSync(join(tools, "node_modules")) && readFileSync(join(tools, lock), "utf8") === wanted;
  if (isThere) return;
  mkdirSync(tools, { recursive: true });
  for (const file of ["package.json", lock]) cpSync(join(root, "scripts/reference", file), join(tools, file));
  execFileSync("npm", ["ci", "--silent", "--ignore-scripts"], { cwd: tools, stdio: "inherit" });
}

/** Unpacks the declarations of a package and returns those of its index. */
function unpacked(name: string): string {
  const folder = join(staging, name);
  mkdirSync(folder);
  const [archive = ""] = globSync(`*${name}-*.tgz`, { cwd: join(staging, "packs") });
  execFileSync("tar", ["xzf", join(staging, "packs", archive), "-C", folder, "--strip-components=1"]);
  return join(folder, "dist/types/esm/app", name, "src/index.d.ts");
}

function write(name: string, entry: string, internal: readonly string[]): void {
  const compilerOptions = {
    ...{ module: "nodenext", target: "es2024", lib: ["es2024", "esnext.disposable"], strict: true, skipLibCheck: true },
    ...{ types: ["node"], typeRoots: [join(tools, "node_modules/@types")] },
  };
  const tsconfig = join(staging, `${name}.tsconfig.json`);
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: [entry] }));
  const options = {
    ...{ name: `@samsa/${name}`, entryPoints: [entry], tsconfig, out: join(target, name), readme: "none" },
    ...{ excludePrivate: true, disableSources: true, treatWarningsAsErrors: true, intentionallyNotExported: internal },
  };
  const file = join(staging, `${name}.typedoc.json`);
  writeFileSync(file, JSON.stringify(options));
  const typedoc = join(tools, "node_modules/typedoc/bin/typedoc");
  execFileSync(process.execPath, [typedoc, "--options", file], { stdio: "inherit" });
}

try {
  install();
  execFileSync(process.execPath, [join(root, "scripts/launch.mjs"), "pack", join(staging, "packs")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  rmSync(target, { recursive: true, force: true });
  for (const [name, internal] of Object.entries(PACKAGES)) {
    write(name, unpacked(name), internal);
    console.log(join(target, name, "index.html"));
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  rmSync(staging, { recursive: true, force: true });
}
