/** Makes `dist/samsa.mjs`: one file and its lazily loaded chunks, from the sources as they are. */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { versionConstants } from "./version.ts";

const root = join(import.meta.dirname, "..");

/** Native or loaded by name at run time: these stay in node_modules. */
const EXTERNAL = ["@node-rs/crc32", "snappy", "lz4-napi", "re2js", "@platformatic/wasm-utils"];

const staging = join(root, `dist.${process.pid}`);
await build({
  entryPoints: {
    samsa: join(root, "packages/app/cli/src/main.ts"),
    "judge-worker": join(root, "packages/host/node/src/judge-worker.ts"),
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
// Put in place by a rename, so that a command started meanwhile finds a whole bundle.
rmSync(join(root, "dist"), { recursive: true, force: true });
renameSync(staging, join(root, "dist"));
