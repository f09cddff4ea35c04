/**
 * Makes a bundle from the sources as they are: `samsa.mjs` and its lazily loaded chunks, in a folder of `dist/bundles`
 * named after their content. `dist/current` leads to it. A broker that runs from an older bundle keeps its files.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { versionConstants } from "./version.ts";

const root = join(import.meta.dirname, "..");

/** Native or loaded by name at run time: these stay in node_modules. */
const EXTERNAL = ["@node-rs/crc32", "snappy", "lz4-napi", "re2js", "fzstd", "jks-js", "jose"];

const DAY_MS = 86_400_000;
/** Bundles older than this go; a broker that was started from one has run for longer than anyone develops it. */
const KEPT_MS = 30 * DAY_MS;

const bundles = join(root, "dist", "bundles");
const staging = join(bundles, `staging.${process.pid}`);
await build({
  entryPoints: {
    samsa: join(root, "packages/app/cli/src/main.ts"),
    "judge-worker": join(root, "packages/host/node/src/judge-worker.ts"),
    "policy-worker": join(root, "packages/host/node/src/policies/policy-worker.ts"),
    "quota-worker": join(root, "packages/host/node/src/quotas/quota-worker.ts"),
  },
  outdir: staging,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  external: EXTERNAL,
  sourcemap: false,
  logLevel: "warning",
  define: versionConstants(root),
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module";const require = makeRequire(import.meta.url);',
  },
});
const digest = createHash("sha256");
for (const name of readdirSync(staging).sort()) digest.update(`${name}\n`).update(readFileSync(join(staging, name)));
const name = digest.digest("hex").slice(0, 16);
const bundle = join(bundles, name);
if (existsSync(bundle)) rmSync(staging, { recursive: true });
else renameSync(staging, bundle);
// A bundle that was made before is newer than the sources again.
const now = new Date();
utimesSync(join(bundle, "samsa.mjs"), now, now);
const link = join(root, "dist", `current.${process.pid}`);
mkdirSync(join(root, "dist"), { recursive: true });
symlinkSync(join("bundles", name), link);
// Rename it into place, so that a command started meanwhile finds a whole bundle.
renameSync(link, join(root, "dist", "current"));
for (const other of readdirSync(bundles)) {
  const main = join(bundles, other, "samsa.mjs");
  const made = statSync(main, { throwIfNoEntry: false })?.mtimeMs ?? now.getTime();
  if (other !== name && now.getTime() - made > KEPT_MS) rmSync(join(bundles, other), { recursive: true, force: true });
}
