import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";
import { freePorts } from "./cluster-client.ts";
import { Pages } from "./pages.ts";

const PAGE = join(import.meta.dirname, "../../../../docs/security.md");
const OFFSETS: Readonly<Record<string, number>> = { 9092: 0, 9093: 1, 9094: 2, 19092: 3 };

test("the commands of docs/security.md", { timeout: 240_000 }, async context => {
  if (spawnSync("openssl", ["version"]).error !== undefined) context.skip("openssl is not installed");
  // Four ports of the page, then three of brokers and three of controllers of the secured cluster.
  const port = await freePorts(10);
  const pages = new Pages(
    text =>
      text
        .replaceAll("localhost:9092 --command-config secure/", `localhost:${port + 4} --command-config secure/`)
        .replaceAll(/\b(?:909[234]|19092)\b/g, found => String(port + (OFFSETS[found] ?? 0))),
    `case "$1" in
  start) set -- "$@" --http-port off ;;
  security) set -- "$@" --port ${port + 4} --controller-port ${port + 7} ;;
esac
`,
  );
  try {
    await pages.run(PAGE);
  } finally {
    await pages.dispose();
  }
});
