import { type ChildProcess, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAIN } from "./bundle.ts";
import { endAll } from "./children.ts";
import { started } from "./started.ts";

/** Reads what `deploy/monitoring` has for dashboards and alerts, and looks for it on a broker with traffic. */

const DEPLOY = join(import.meta.dirname, "../../../../deploy/monitoring");
const read = (name: string): string => readFileSync(join(DEPLOY, name), "utf8");

interface Series {
  readonly name: string;
  readonly type: string;
  readonly unit: "ms" | "bytes" | "ratio" | "seconds" | "count";
  readonly labels: readonly string[];
}
interface Listed {
  readonly series: readonly Series[];
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
}

/** Unit of a metric as its help says it. */
const UNITS: Readonly<Record<Series["unit"], RegExp>> = {
  ms: /\bms\b/,
  bytes: /bytes/i,
  ratio: /from 0 to 1/,
  seconds: /seconds/,
  count: /^(?!.*\bin (?:ms|seconds)\b)/,
};
/** Labels that Prometheus adds, or a cluster on one machine. */
const ADDED: ReadonlySet<string> = new Set(["instance", "job", "node"]);

interface Metric {
  type: string;
  help: string;
  readonly labels: Set<string>;
}

let directory: string;
let receiver: Server;
/** Bodies of the exports that have come. */
const exported: { url: string | undefined; body: string }[] = [];
const running: ChildProcess[] = [];
let metrics: ReadonlyMap<string, Metric>;
let http: string;

/** Metrics of a page in the text format: samples of summaries and histograms are there by their own names, too. */
function parse(page: string): Map<string, Metric> {
  const found = new Map<string, Metric>();
  const of = (name: string): Metric => {
    const known = found.get(name) ?? { type: "", help: "", labels: new Set<string>() };
    found.set(name, known);
    return known;
  };
  let family = of("");
  for (const line of page.split("\n")) {
    const [, kind, name = "", text = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind !== undefined) {
      family = of(name);
      if (kind === "HELP") family.help = text;
      else family.type = text;
      continue;
    }
    const [, sample, labels = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (sample === undefined) {
      expect(line).toBe("");
      continue;
    }
    for (const one of new Set([family, of(sample)])) {
      one.labels.add("");
      for (const [, label = ""] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) one.labels.add(label);
    }
  }
  return found;
}

function samsa(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    cwd: directory,
    input,
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

const scrape = async (): Promise<string> => (await fetch(`${http}/metrics`)).text();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "samsa-monitoring-"));
  receiver = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      exported.push({ url: request.url, body });
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>(resolve => receiver.listen(0, "127.0.0.1", resolve));
  const otlp = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const options = ["-o", "listeners=PLAINTEXT://127.0.0.1:0", "--otlp-endpoint", otlp, "--otlp-interval", "1"];
  const windows = ["-o", "quota.window.num=3", "-o", "quota.window.size.seconds=1"];
  const { ready } = await started(directory, running, ["--http-port", "0", ...options, ...windows]);
  http = ready.http ?? "";
  const at = ["--bootstrap-server", `127.0.0.1:${ready.listeners[0]?.port}`];
  const limit = (quotas: string): string =>
    samsa(["kafka-configs", "--alter", "--add-config", quotas, "--entity-type", "clients", "--entity-default", ...at]);
  samsa(["topic", "create", "tea", "--partitions", "2", ...at]);
  // Quotas that hold back second requests, so that there are throttle times.
  limit("producer_byte_rate=40,consumer_byte_rate=50");
  samsa(["produce", "tea", "green", "black", ...at]);
  samsa(["produce", "tea", "white", ...at]);
  const reading = ["--topic", "tea", "--from-beginning", "--max-messages", "3", "--group", "drinkers"];
  samsa(["kafka-console-consumer", ...reading, ...at]);
  samsa(["consume", "tea", ...at]);
  limit("producer_byte_rate=1000000,consumer_byte_rate=1000000,request_percentage=0.01");
  samsa(["topic", "list", ...at]);
  metrics = parse(await scrape());
}, 120_000);

afterAll(async () => {
  await endAll(running);
  receiver.closeAllConnections();
  receiver.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("series of public dashboards", () => {
  const { series, absent } = JSON.parse(read("series.json")) as Listed;

  test.each(series.map(one => [one.name, one] as const))("%s", (name, { type, unit, labels }) => {
    const found = metrics.get(name);
    expect(found?.type).toBe(type);
    expect(found?.help).toMatch(UNITS[unit]);
    expect([...(found?.labels ?? [])]).toEqual(expect.arrayContaining([...labels]));
    expect(found?.labels.size, "samples").toBeGreaterThan(0);
  });

  test("that are absent have a reason, and are absent", () => {
    for (const { name, reason } of absent) {
      expect(reason).not.toBe("");
      expect(metrics.has(name), name).toBe(false);
    }
  });
});

/** Metrics and labels of a query: matchers, and labels that results are grouped by. */
function asked(query: string): { name: string; labels: string[] }[] {
  const plain = query.replaceAll(/\$__rate_interval/g, "5m");
  const grouped = [...plain.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, of = ""]) =>
    of.split(",").map(one => one.trim()),
  );
  const names = [...plain.matchAll(/\b((?:kafka|samsa|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)];
  return names.map(([, name = "", matchers = ""]) => ({
    name,
    labels: [...[...matchers.matchAll(/(\w+)\s*[=!]~?"/g)].map(([, label = ""]) => label), ...grouped],
  }));
}

function expectThere(queries: readonly string[]): void {
  expect(queries.length).toBeGreaterThan(0);
  for (const query of queries) {
    for (const { name, labels } of asked(query)) {
      const found = metrics.get(name);
      expect(found, `${name} of ${query}`).toBeDefined();
      const missing = labels.filter(label => !ADDED.has(label) && found?.labels.has(label) !== true);
      expect(missing, `labels of ${name} in ${query}`).toEqual([]);
    }
  }
}

describe("deploy/monitoring", () => {
  test("has a dashboard whose metrics and labels are there", () => {
    const { panels, templating } = JSON.parse(read("grafana-dashboard.json"));
    const queries = panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) =>
      targets.map(({ expr }) => expr),
    );
    const variables = templating.list.flatMap(({ definition }: { definition?: string }) => definition ?? []);
    expectThere([
      ...queries,
      ...variables.map((one: string) => one.replace(/^label_values\((\w+), (\w+)\)$/, "by ($2) $1")),
    ]);
    const ids = panels.map(({ id }: { id: number }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("has alerts whose metrics and labels are there", () => {
    const text = read("alerts.yml");
    const rules = text.split(/^ {6}- alert: /m).slice(1);
    for (const rule of rules) {
      expect(rule).toMatch(
        /^Samsa\w+\n {8}expr: .+\n(?: {8}for: \d+m\n)? {8}labels:\n {10}severity: (?:critical|warning|info)\n {8}annotations:\n {10}summary: ".+"\n$/,
      );
    }
    expectThere(rules.map(rule => /expr: (.+)/.exec(rule)?.[1] ?? ""));
    expect(read("prometheus.yml")).toContain("  - alerts.yml\n");
  });
});

describe("values", () => {
  test("are those of the traffic", async () => {
    const page = await scrape();
    const valueOf = (series: string): number =>
      Number(
        page
          .split("\n")
          .find(line => line.startsWith(`${series} `))
          ?.split(" ")
          .at(-1),
      );
    expect(valueOf('kafka_server_brokertopicmetrics_messagesin_total{topic="tea"}')).toBe(3);
    const ends = [0, 1].map(index => valueOf(`kafka_topic_partition_current_offset{topic="tea",partition="${index}"}`));
    expect(ends[0] + ends[1]).toBe(3);
    expect(valueOf('kafka_consumergroup_lag_sum{consumergroup="drinkers",topic="tea"}')).toBe(0);
    expect(valueOf('kafka_consumergroup_current_offset_sum{consumergroup="drinkers",topic="tea"}')).toBe(3);
    expect(valueOf("kafka_controller_kafkacontroller_activecontrollercount")).toBe(1);
    expect(valueOf("kafka_server_kafkaserver_brokerstate")).toBe(3);
  });
});

test("metrics are exported to a receiver of OpenTelemetry", async () => {
  await expect.poll(() => exported.length, { timeout: 20_000 }).toBeGreaterThan(1);
  const { url, body } = exported.at(-1) ?? { url: undefined, body: "{}" };
  expect(url).toBe("/v1/metrics");
  const [{ resource, scopeMetrics }] = JSON.parse(body).resourceMetrics;
  const attributes = Object.fromEntries(
    resource.attributes.map(({ key, value }: { key: string; value: object }) => [key, Object.values(value)[0]]),
  );
  expect(attributes).toMatchObject({ "service.name": "samsa", "service.instance.id": "1" });
  const found = new Map<string, Record<string, { dataPoints: Record<string, unknown>[]; isMonotonic?: boolean }>>(
    scopeMetrics.flatMap(({ metrics: all }: { metrics: { name: string }[] }) => all.map(one => [one.name, one])),
  );
  const records = found.get("kafka_server_brokertopicmetrics_messagesin_total")?.["sum"];
  expect(records?.isMonotonic).toBe(true);
  expect(records?.dataPoints.length).toBeGreaterThan(1);
  expect(found.get("kafka_log_log_size")?.["gauge"]?.dataPoints.length).toBeGreaterThan(1);
  const durations = found.get("samsa_request_duration_seconds")?.["histogram"]?.dataPoints ?? [];
  for (const { bucketCounts, explicitBounds, count } of durations as {
    bucketCounts: number[];
    explicitBounds: number[];
    count: number;
  }[]) {
    expect(bucketCounts).toHaveLength(explicitBounds.length + 1);
    expect(bucketCounts.reduce((sum, one) => sum + Number(one), 0)).toBe(Number(count));
  }
  expect(durations.length).toBeGreaterThan(0);
});
