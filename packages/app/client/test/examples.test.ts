import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "@samsa/testkit";
import { expect, test } from "vitest";

const EXAMPLES = join(import.meta.dirname, "../../../../examples");

/** Output of each example. */
const OUTPUTS: Readonly<Record<string, string>> = {
  "dead-letters":
    "charged order 1, attempt 1\ncharged order 2, attempt 2\nput aside order 3\ncharged order 4, attempt 1\n",
  "exactly-once-copy": "Error: the copier has died\n200 copies, in order: true\n",
  outbox: 'published 3 orders\n{"id":1,"item":"tea"}\n{"id":2,"item":"cake"}\n{"id":3,"item":"coffee"}\n',
  "page-views": "/ 100\n/tea 100\n/cake 100\n",
  "request-reply": "tea 3\ncake 5\ngold null\n",
  "web-stream": "id: 0\ndata: tea is ready\n\nid: 1\ndata: cake is gone\n",
};

function run(args: readonly string[]): Promise<string> {
  return new Promise(resolve => {
    execFile(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], (error, stdout, stderr) => {
      resolve(`${stdout}${stderr}${error === null ? "" : `exit code ${error.code}`}`);
    });
  });
}

test("all are listed here", () => {
  const folders = readdirSync(EXAMPLES, { withFileTypes: true }).filter(entry => entry.isDirectory());
  expect(folders.map(({ name }) => name).toSorted()).toEqual(Object.keys(OUTPUTS).toSorted());
});

test.each(Object.entries(OUTPUTS))(
  "%s runs, with a broker of its own and with one that is given",
  async (name, output) => {
    const main = join(EXAMPLES, name, "main.ts");
    expect(await run([main])).toBe(output);
    await using cluster = await startCluster();
    expect(await run([main, cluster.bootstrapServers])).toBe(output);
  },
);
