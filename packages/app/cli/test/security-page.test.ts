import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";
import { freePorts } from "./cluster-client.ts";
import { Pages } from "./pages.ts";

const PAGE = join(import.meta.dirname, "../../../../docs/security.md");
const OFFSETS: Readonly<Record<string, number>> = { 9092: 0, 9093: 1, 9094: 2, 19092: 3 };

test("the commands of docs/security.md", { timeout: 240_000 }, async context => {
  if (spawnSync("openssl", ["version"]).error !== undefined) context.skip("openssl is not installed");
  const port = await freePorts(4);
  const pages = new Pages(
    text => text.replaceAll(/\b(?:909[234]|19092)\b/g, found => String(port + (OFFSETS[found] ?? 0))),
    `case "$1" in start) set -- "$@" --http-port off ;; esac\n`,
  );
  try {
    await pages.run(PAGE);
  } finally {
    await pages.dispose();
  }
});
