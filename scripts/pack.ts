/**
 * `npm run pack [-- folder]`: a tarball of each published package, to publish or to install by path. Each holds all code of
 * this repository that it needs, as one bundle, so that users install one package and no versions can disagree.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import { command } from "./options.ts";
import { notices } from "./pack-notices.ts";
import { type Declarations, writeDeclarations } from "./pack-types.ts";
import { versionConstants } from "./version.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** A published package. */
interface Published {
  readonly folder: string;
  /** Oldest version of Node that it runs on. */
  readonly node: string;
  /** Formats of the bundle: a program needs modules only. */
  readonly formats: readonly ("esm" | "cjs")[];
  /** Sources by the name of the bundled file, relative to `packages`. `index` is what programs import. */
  readonly entries: Readonly<Record<string, string>>;
  /** Commands, by name, and their entries. */
  readonly bin?: Readonly<Record<string, string>>;
  /** The bundle holds third-party code, too; only native modules stay dependencies. */
  readonly isWhole?: true;
}

/** Worker threads that lie beside the bundle of every broker. */
const WORKERS = {
  "judge-worker": "host/node/src/judge-worker.ts",
  "policy-worker": "host/node/src/policies/policy-worker.ts",
  "quota-worker": "host/node/src/quotas/quota-worker.ts",
};

const PUBLISHED: readonly Published[] = [
  {
    ...{ folder: "app/client", node: "20.19", formats: ["esm", "cjs"] },
    entries: { index: "app/client/src/index.ts" },
  },
  {
    ...{ folder: "app/kafkajs", node: "20.19", formats: ["esm", "cjs"] },
    entries: { index: "app/kafkajs/src/index.ts" },
  },
  {
    ...{ folder: "app/testkit", node: "20.19", formats: ["esm", "cjs"] },
    entries: { index: "app/testkit/src/index.ts", main: "app/testkit/src/main.ts", ...WORKERS },
    bin: { "samsa-testkit": "main" },
  },
  {
    ...{ folder: "app/cli", node: "20.19", formats: ["esm"], isWhole: true },
    entries: { samsa: "app/cli/src/main.ts", ...WORKERS },
    bin: { samsa: "samsa" },
  },
];

const root = join(import.meta.dirname, "..");
const packages = join(root, "packages");

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8")) as Manifest;

const FOLDERS = globSync("{base,format/*,kernel/*,runtime/*,host/*,app/*}", { cwd: packages }).filter(folder =>
  existsSync(join(packages, folder, "package.json")),
);
const MANIFESTS = new Map(FOLDERS.map(folder => [folder, manifestOf(folder)]));
const isOurs = (name: string): boolean => [...MANIFESTS.values()].some(manifest => manifest.name === name);

/** Names and versions of the third-party packages that any of ours uses. */
function thirdParty(kind: "dependencies" | "optionalDependencies"): Map<string, string> {
  const all = [...MANIFESTS.values()].flatMap(manifest => Object.entries(manifest[kind] ?? {}));
  return new Map(all.filter(([name]) => !isOurs(name)));
}

const REQUIRED = thirdParty("dependencies");
const OPTIONAL = thirdParty("optionalDependencies");
const URL_BANNER = 'const moduleUrl = require("node:url").pathToFileURL(__filename).href;';
/** CommonJS inside of an ES module needs `require`. */
const REQUIRE_BANNER =
  'import { createRequire as makeRequire } from "node:module";const require = makeRequire(import.meta.url);';

/** Third-party modules that `requiredModule` of `host/node` loads by name, each as a file of its own beside the bundle. */
const VENDORED = ["fzstd", "jks-js", "re2js"];

/** Bundles third-party modules into `target/dist/vendored`. Returns the files that went in. */
async function vendor(node: string, target: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: Object.fromEntries(VENDORED.map(name => [name, name])),
    absWorkingDir: join(packages, "host/node"),
    outdir: join(target, "dist/vendored"),
    outExtension: { ".js": ".cjs" },
    ...{ format: "cjs", bundle: true, platform: "node", target: `node${node}`, metafile: true, logLevel: "warning" },
  });
  return Object.keys(metafile.inputs).map(file => join(packages, "host/node", file));
}

/** Packages that a bundle imports, and the files that went into it. */
interface Bundled {
  readonly imported: readonly string[];
  readonly inputs: readonly string[];
}

/** Bundles a package into `target/dist`. */
async function bundle(published: Published, format: "esm" | "cjs", target: string): Promise<Bundled> {
  const { entries, node, isWhole } = published;
  const extension = format === "esm" ? ".js" : ".cjs";
  const { metafile } = await build({
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, source]) => [name, join(packages, source)])),
    outdir: join(target, "dist"),
    outExtension: { ".js": extension },
    ...{ format, bundle: true, splitting: format === "esm", platform: "node", target: `node${node}` },
    external: [...(isWhole === true ? [] : REQUIRED.keys()), ...OPTIONAL.keys()],
    define: {
      ...versionConstants(root),
      SAMSA_VENDORED: String(isWhole === true),
      ...(format === "cjs" ? { "import.meta.url": "moduleUrl" } : {}),
    },
    ...(format === "cjs" ? { banner: { js: URL_BANNER } } : {}),
    ...(isWhole === true ? { banner: { js: REQUIRE_BANNER }, sourcemap: "linked" } : {}),
    ...{ metafile: true, logLevel: "warning" },
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
  // A path within a package begins with its name.
  const names = imported.map(({ path }) => /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path);
  return { imported: names, inputs: Object.keys(metafile.inputs).map(file => resolve(file)) };
}

/** The manifest with what the bundle offers and needs. */
function packed(published: Published, manifest: Manifest, imported: ReadonlySet<string>): object {
  const { name, version, description, license } = manifest;
  const { bin, entries, formats, folder } = published;
  const needed = (all: ReadonlyMap<string, string>, isNeeded: (name: string) => boolean): Record<string, string> =>
    Object.fromEntries([...all].filter(([dependency]) => isNeeded(dependency)));
  // Loaded by name at run time, so the bundler does not see them.
  const lazily = readFileSync(join(packages, "host/node/package.json"), "utf8");
  const isLazy = (dependency: string): boolean => lazily.includes(`"${dependency}"`);
  const offer = (extension: string, types: string): object => ({
    types: `./dist/types/${types}/${folder}/src/index.d${extension.replace("js", "ts")}`,
    default: `./dist/index${extension}`,
  });
  return {
    ...{ name, version, description, license, type: "module", files: ["dist", "THIRD-PARTY.txt"] },
    engines: { node: `>=${published.node}` },
    ...("index" in entries
      ? {
          exports: {
            ".": {
              import: offer(".js", "esm"),
              ...(formats.includes("cjs") ? { require: offer(".cjs", "cjs") } : {}),
            },
          },
        }
      : {}),
    ...(bin === undefined
      ? {}
      : { bin: Object.fromEntries(Object.entries(bin).map(([program, entry]) => [program, `dist/${entry}.js`])) }),
    ...(published.isWhole === true
      ? {}
      : { dependencies: needed(REQUIRED, dependency => imported.has(dependency) || isLazy(dependency)) }),
    optionalDependencies: needed(OPTIONAL, isLazy),
  };
}

function prefix(file: string, text: string, mode: number): void {
  writeFileSync(file, text + readFileSync(file, "utf8"), { mode });
}

async function pack(published: Published, declarations: Declarations, staging: string): Promise<string> {
  const folder = join(staging, published.folder);
  mkdirSync(folder, { recursive: true });
  const imported = new Set<string>();
  for (const format of published.formats) {
    const bundled = await bundle(published, format, folder);
    for (const name of bundled.imported) imported.add(name);
    if (published.isWhole === true) {
      const inputs = [...bundled.inputs, ...(await vendor(published.node, folder))];
      writeFileSync(join(folder, "THIRD-PARTY.txt"), notices(inputs));
    }
    if (published.entries.index !== undefined) {
      writeDeclarations(declarations, published.entries.index, { format, target: join(folder, "dist/types", format) });
    }
  }
  for (const page of [join(packages, published.folder, "README.md"), join(root, "LICENSE")]) {
    cpSync(page, join(folder, basename(page)));
  }
  for (const entry of Object.values(published.bin ?? {})) {
    prefix(join(folder, "dist", `${entry}.js`), "#!/usr/bin/env node\n", 0o755);
  }
  const manifest = packed(published, manifestOf(published.folder), imported);
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return folder;
}

function tarball(folder: string, target: string): string {
  const printed = execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", target], {
    cwd: folder,
    encoding: "utf8",
  });
  const [archive] = JSON.parse(printed) as { filename: string }[];
  if (archive === undefined) throw new Error(`npm packed nothing of ${folder}`);
  return archive.filename;
}

const parsed = command("pack", "makes a tarball of each published package")
  .argument("[folder]", "where they go instead of dist/packages; its older tarballs are removed")
  .option("--only <package>", "only this one, by the name of its folder: client, kafkajs, testkit, cli")
  .parse();
const [given = join(root, "dist", "packages")] = parsed.args;
const { only } = parsed.opts<{ readonly only?: string }>();
const chosen = PUBLISHED.filter(({ folder }) => only === undefined || folder === `app/${only}`);
if (chosen.length === 0) parsed.error(`error: no package is named ${only ?? ""}`);
const target = resolve(given);
const staging = mkdtempSync(join(tmpdir(), "samsa-pack-"));
try {
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const compiled = join(staging, "declarations");
  if (chosen.some(({ entries }) => "index" in entries)) {
    execFileSync(compiler, ["-p", join(root, "tsconfig.pack.json"), "--outDir", compiled], { stdio: "inherit" });
  }
  const declarations = { folder: compiled, folders: new Map([...MANIFESTS].map(([path, { name }]) => [name, path])) };
  mkdirSync(target, { recursive: true });
  for (const name of globSync("*.tgz", { cwd: target })) rmSync(join(target, name));
  for (const published of chosen) {
    console.log(join(target, tarball(await pack(published, declarations, staging), target)));
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}
