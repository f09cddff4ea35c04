/**
 * `npm run pack [-- folder]`: one tarball per package, ready to publish or to install by path. In them is plain compiler
 * output, `dist/*.js` with its declarations, instead of the sources that the repository runs.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { command } from "./options.ts";
import { versionConstants } from "./version.ts";

interface Manifest {
  name: string;
  exports?: Record<string, unknown>;
  bin?: Record<string, string>;
  files?: string[];
  engines?: { node: string };
}

const FLOORS = "packages/{base,format/*,kernel/*,runtime/*,host/*,app/*}/package.json";

/** Node version whose syntax and API the packages use. */
const OLDEST_NODE = 24;

const root = join(import.meta.dirname, "..");
const [folder = join(root, "dist", "packages")] = command("pack", "makes a tarball of each package")
  .argument("[folder]", "where they go instead of dist/packages; its older tarballs are removed")
  .parse().args;
const target = resolve(folder);
const staging = mkdtempSync(join(tmpdir(), "samsa-pack-"));

/** The manifest with what the compiled package offers. */
function packed(manifest: Manifest): Manifest {
  const { bin } = manifest;
  return {
    ...manifest,
    files: ["dist"],
    engines: { node: `>=${OLDEST_NODE}` },
    ...(manifest.exports === undefined
      ? {}
      : { exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } } }),
    ...(bin === undefined ? {} : { bin: Object.fromEntries(Object.keys(bin).map(name => [name, "dist/main.js"])) }),
  };
}

function prefix(file: string, text: string, mode: number): void {
  writeFileSync(file, text + readFileSync(file, "utf8"), { mode });
}

function pack(file: string): string {
  const source = join(root, dirname(file));
  const compiled = join(staging, "out", dirname(file).replace(/^packages\//, ""), "src");
  const folder = join(staging, "packages", dirname(file).replace(/^packages\//, ""));
  mkdirSync(folder, { recursive: true });
  cpSync(compiled, join(folder, "dist"), { recursive: true });
  for (const page of [join(source, "README.md"), join(root, "LICENSE")]) cpSync(page, join(folder, basename(page)));
  const manifest = packed(JSON.parse(readFileSync(join(root, file), "utf8")) as Manifest);
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  if (manifest.bin !== undefined) {
    prefix(join(folder, "dist", "main.js"), "#!/usr/bin/env node\n", 0o755);
  }
  const version = join(folder, "dist", "terminal", "version.js");
  if (existsSync(version)) {
    const constants = Object.entries(versionConstants(root)).map(([name, value]) => `const ${name} = ${value};\n`);
    prefix(version, constants.join(""), 0o644);
  }
  const printed = execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", target], {
    cwd: folder,
    encoding: "utf8",
  });
  const [archive] = JSON.parse(printed) as { filename: string }[];
  if (archive === undefined) throw new Error(`npm packed nothing of ${folder}`);
  return archive.filename;
}

try {
  const compiler = join(root, "node_modules", ".bin", "tsc");
  execFileSync(compiler, ["-p", join(root, "tsconfig.pack.json"), "--outDir", join(staging, "out")], {
    stdio: "inherit",
  });
  for (const name of globSync("*.tgz", { cwd: target })) rmSync(join(target, name));
  mkdirSync(target, { recursive: true });
  for (const file of globSync(FLOORS, { cwd: root }).sort()) console.log(join(target, pack(file)));
} finally {
  rmSync(staging, { recursive: true, force: true });
}
