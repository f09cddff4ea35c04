import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "./cluster-client.ts";
import { Pages } from "./pages.ts";

/** Runs the commands of `docs/operations`, in the order of the table, in one folder. Ports are replaced by free ones. */

const PAGES = join(import.meta.dirname, "../../../../docs/operations");
/** Commands that ask a broker. */
const ASKING = "produce|topic|cluster|quorum|broker|reassign|feature";

let port: number;
let pages: Pages;

const order = [...readFileSync(join(PAGES, "README.md"), "utf8").matchAll(/^\| \[([\w-]+\.md)\]/gm)].map(
  ([, name]) => name,
);

/** Page for clusters of Kafka, whose commands are run by a trial of the scoreboard (`migration-trial.ts` of interop). */
const OF_KAFKA = "migration.md";

/** Ports of the pages, and the distance of their free ones from the first. */
const PORTS: Readonly<Record<string, number>> = {
  ...{ 9092: 0, 9093: 1, 9094: 2, 19092: 3, 19093: 4, 19094: 5 },
  ...{ 9404: 12, 9192: 6, 9193: 7, 9194: 8, 19192: 9, 19193: 10, 19194: 11 },
};

function withPorts(text: string): string {
  return text.replaceAll(/\b(?:1?9[01]9[234]|9404)\b/g, found => String(port + (PORTS[found] ?? 0)));
}

beforeAll(async () => {
  port = await freePorts(13);
  // The pages use the default ports, which may be taken here.
  pages = new Pages(
    withPorts,
    `case "$1 $2" in
  "start --brokers") set -- "$@" -o listeners=PLAINTEXT://localhost:${port},CONTROLLER://localhost:${port + 3} ;;
esac
case "$1 $*" in
  *--http-port*) ;;
  start*) set -- "$@" --http-port off ;;
esac
case "$1" in
  ${ASKING}) case "$*" in *--bootstrap-server*) ;; *) set -- "$@" --bootstrap-server localhost:${port},localhost:${port + 1} ;; esac ;;
esac
`,
  );
});

afterAll(() => pages.dispose(), 120_000);

test("the table lists all pages", () => {
  expect(order.toSorted()).toEqual(
    readdirSync(PAGES)
      .filter(name => name !== "README.md")
      .toSorted(),
  );
});

test("commands that need Kafka are on a page of their own", () => {
  const isOfKafka = (page: string): boolean => readFileSync(join(PAGES, page), "utf8").includes("```sh kafka\n");
  expect(order.filter(isOfKafka)).toEqual([OF_KAFKA]);
});

test.each(order.filter(page => page !== OF_KAFKA))("%s", { timeout: 240_000 }, page => pages.run(join(PAGES, page)));
