import { entryAt } from "@samsa/base";
import { GOALS, goalText, reaches } from "./goals.ts";
import { CLIENTS, CONSOLES } from "./clients.ts";

/** Row of the table. */
export interface Row {
  /** Key of the figure: the name of its measurement, a dot and the quantity. */
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
}

/** Rows of the table, in order. */
const ROWS: readonly Row[] = [
  { key: "start.ms", title: "Start to first answer, median of 5", unit: "ms", digits: 0 },
  { key: "memory.idle", title: "Resident memory, idle", unit: "MiB", digits: 0 },
  { key: "memory.loaded", title: "Resident memory, after the loads", unit: "MiB", digits: 0 },
  { key: "produce-100.rate", title: "Produce 100 B records, acks=all", unit: "records/s", digits: 0 },
  { key: "produce-100.cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "produce-1000.rate", title: "Produce 1,000 B records, acks=all", unit: "records/s", digits: 0 },
  { key: "produce-1000.cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "produce-1000.cpu-gb", title: "… per GB", unit: "s/GB", digits: 2 },
  { key: "single.rate", title: "One record per request", unit: "requests/s", digits: 0 },
  { key: "single.cpu", title: "… broker's processor time each", unit: "µs", digits: 1 },
  { key: "consume.rate", title: "Consume 100 B records", unit: "records/s", digits: 0 },
  { key: "consume.cpu-gb", title: "… broker's processor time", unit: "s/GB", digits: 2 },
  { key: "latency.mean", title: "End to end, acks=all, mean", unit: "ms", digits: 2 },
  { key: "latency.p99", title: "… 99th percentile", unit: "ms", digits: 0 },
  { key: "latency.p99.9", title: "… 99.9th percentile", unit: "ms", digits: 0 },
  { key: "partitions.clean", title: "Start with 1,000 partitions after a clean stop", unit: "ms", digits: 0 },
  { key: "partitions.killed", title: "Start with 1,000 partitions after kill -9", unit: "ms", digits: 0 },
  ...["gzip", "snappy", "lz4", "zstd"].flatMap(codec => [
    { key: `codec-${codec}.rate`, title: `Produce 1,000 B of log lines, ${codec}`, unit: "records/s", digits: 0 },
    { key: `codec-${codec}.cpu-gb`, title: "… broker's processor time per GB uncompressed", unit: "s/GB", digits: 2 },
  ]),
  { key: "fan-out.rate", title: "Eight consumers of one topic, together", unit: "MB/s", digits: 0 },
  { key: "fan-out.cpu-gb", title: "… broker's processor time per GB", unit: "s/GB", digits: 2 },
  { key: "backlog.rate", title: "Read a backlog while 10,000 records/s are written", unit: "MB/s", digits: 0 },
  { key: "backlog.p99", title: "… 99th percentile of the writes", unit: "ms", digits: 0 },
  { key: "mixed.p99", title: "End to end beside 10,000 records/s, 99th percentile", unit: "ms", digits: 0 },
  { key: "mixed.p99.9", title: "… 99.9th percentile", unit: "ms", digits: 0 },
  { key: "tls.produce-rate", title: "Produce 1,000 B records over TLS", unit: "records/s", digits: 0 },
  { key: "tls.produce-cpu-gb", title: "… broker's processor time", unit: "s/GB", digits: 2 },
  { key: "tls.consume-rate", title: "Consume them over TLS", unit: "records/s", digits: 0 },
  { key: "tls.consume-cpu-gb", title: "… broker's processor time", unit: "s/GB", digits: 2 },
  { key: "tls.logins", title: "Connections over TLS that log in by SCRAM", unit: "connections/s", digits: 0 },
  { key: "tls.logins-cpu", title: "… broker's processor time each", unit: "ms", digits: 2 },
  { key: "acls.few-rate", title: "Produce 100 B records with one ACL", unit: "records/s", digits: 0 },
  { key: "acls.few-cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "acls.many-rate", title: "… with 10,000 ACLs of the same user", unit: "records/s", digits: 0 },
  { key: "acls.many-cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "acls.decision", title: "… a decision that was made before", unit: "ns", digits: 0 },
  { key: "killed.start", title: "Start after 4 GB were written and kill -9", unit: "ms", digits: 0 },
  { key: "commits.rate", title: "Commits of offsets, 32 groups, 4 in flight each", unit: "requests/s", digits: 0 },
  { key: "commits.cpu", title: "… broker's processor time each", unit: "µs", digits: 1 },
  { key: "groups.classic", title: "200 classic members, 1,000 partitions: until balanced", unit: "ms", digits: 0 },
  { key: "groups.classic-cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "groups.consumer", title: "1,000 consumer members, 1,000 partitions: until balanced", unit: "ms", digits: 0 },
  { key: "groups.consumer-cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "loading.start", title: "Start with a million commits, until a group answers", unit: "ms", digits: 0 },
  { key: "loading.more", title: "… longer than with one commit", unit: "ms", digits: 0 },
  { key: "loading.cpu", title: "… more processor time than with one commit", unit: "s", digits: 2 },
  { key: "compaction.rate", title: "Compaction of 1 GB, a tenth stays", unit: "MB/s", digits: 0 },
  { key: "compaction.cpu-gb", title: "… broker's processor time, with 500 writes/s", unit: "s/GB", digits: 2 },
  { key: "compaction.quiet-p99", title: "… 99th percentile of the writes before", unit: "ms", digits: 2 },
  { key: "compaction.p99", title: "… 99th percentile of the writes meanwhile", unit: "ms", digits: 2 },
  { key: "share.rate", title: "Four members of a share group, 100 B records", unit: "records/s", digits: 0 },
  { key: "share.cpu", title: "… broker's processor time each", unit: "µs", digits: 2 },
  { key: "transactions.rate", title: "Transactions of one record, 16 producers", unit: "transactions/s", digits: 0 },
  { key: "transactions.cpu", title: "… broker's processor time each", unit: "µs", digits: 1 },
  { key: "ten-thousand.memory", title: "Resident memory with 10,000 partitions", unit: "MiB", digits: 0 },
  { key: "ten-thousand.image", title: "… metadata image for each topic with one partition", unit: "B", digits: 0 },
  { key: "ten-thousand.decision-few", title: "Decision of the controller with one topic", unit: "µs", digits: 0 },
  { key: "ten-thousand.decision-many", title: "… with 10,000 partitions", unit: "µs", digits: 0 },
  { key: "ten-thousand.rate", title: "Produce 1,000 B records to 3,000 of them", unit: "records/s", digits: 0 },
  { key: "ten-thousand.cpu", title: "… broker's processor time", unit: "s", digits: 2 },
  { key: "ten-thousand.clean", title: "Start with them after a clean stop", unit: "ms", digits: 0 },
  { key: "ten-thousand.killed", title: "Start with them after kill -9", unit: "ms", digits: 0 },
  { key: "cluster.start", title: "Three nodes: from nothing to all in the metadata", unit: "ms", digits: 0 },
  { key: "cluster.memory", title: "… resident memory of all, after the loads", unit: "MiB", digits: 0 },
  { key: "cluster-100.rate", title: "… produce 100 B records, 3 replicas, acks=all", unit: "records/s", digits: 0 },
  { key: "cluster-100.cpu", title: "… processor time of all nodes each", unit: "µs", digits: 1 },
  { key: "cluster-1000.rate", title: "… produce 1,000 B records, 3 replicas, acks=all", unit: "records/s", digits: 0 },
  { key: "cluster-1000.cpu-gb", title: "… processor time of all nodes", unit: "s/GB", digits: 2 },
  { key: "cluster-acks1.rate", title: "… produce 1,000 B records, 3 replicas, acks=1", unit: "records/s", digits: 0 },
  { key: "cluster-acks1.cpu-gb", title: "… processor time of all nodes", unit: "s/GB", digits: 2 },
  { key: "cluster.pause", title: "… longest wait of a producer as a node is killed", unit: "ms", digits: 0 },
  { key: "cluster.restart", title: "… longest wait of a producer as a node is restarted", unit: "ms", digits: 0 },
  {
    key: "cluster.controller",
    title: "… until a topic is created after the active controller is killed",
    unit: "ms",
    digits: 0,
  },
  { key: "cluster-move.rate", title: "… reassignment of a partition with 1 GB", unit: "MB/s", digits: 0 },
  { key: "cluster-move.cpu-gb", title: "… processor time of all nodes", unit: "s/GB", digits: 2 },
  {
    key: "cluster-many.create",
    title: "Three nodes, 10,000 partitions, 3 replicas: creation of all logs",
    unit: "ms",
    digits: 0,
  },
  { key: "cluster-many.memory", title: "… resident memory of all", unit: "MiB", digits: 0 },
  { key: "cluster-many.cpu", title: "… processor time of all, idle", unit: "% of a core", digits: 1 },
  { key: "cluster-many.restart", title: "… restart of a node, until its replicas are in sync", unit: "ms", digits: 0 },
  {
    key: "cluster-many.controller",
    title: "… until a topic is created after the active controller is killed",
    unit: "ms",
    digits: 0,
  },
  ...Object.entries(CLIENTS).flatMap(([library, title]) => [
    { key: `client-${library}-produce.per-cpu`, title: `${title}: produce 100 B`, unit: "records/CPU s", digits: 0 },
    { key: `client-${library}-produce.rate`, title: "… by the clock", unit: "records/s", digits: 0 },
    { key: `client-${library}-offer.per-cpu`, title: "… with offer", unit: "records/CPU s", digits: 0 },
    { key: `client-${library}-consume.per-cpu`, title: "… consume them", unit: "records/CPU s", digits: 0 },
    { key: `client-${library}-lone.mean`, title: "… one send after the other, mean", unit: "ms", digits: 2 },
    { key: `client-${library}-lone.p99`, title: "… 99th percentile", unit: "ms", digits: 2 },
    { key: `client-${library}-large.rate`, title: "… produce 1 MB", unit: "records/s", digits: 0 },
  ]),
  ...Object.entries(CONSOLES).map(([program, title]) => ({
    ...{ key: `console-${program}.per-cpu`, title: `${title}: print 100 B records`, unit: "records/CPU s", digits: 0 },
  })),
  { key: "turn.longest", title: "Longest turn of the event loop under the loads", unit: "ms", digits: 1 },
];

/** Figures by contender and key. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, number>>;

function cell(value: number | undefined, digits: number): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Samsa's figure to that of the other; NaN if one is missing. */
function ratioOf(results: Results, key: string): number {
  const [own = Number.NaN, other = Number.NaN] = [...results.values()].map(figures => figures.get(key));
  return own / other;
}

/** Renders the rows that have a figure as a Markdown table, with the goals if Kafka is there. */
export function table(results: Results): string {
  const names = [...results.keys()];
  const [hasRatio, hasGoals] = [names.length === 2, results.has("Kafka")];
  const head = [
    "",
    ...names,
    ...(hasRatio ? [`${names[0]} : ${names[1]}`] : []),
    ...(hasGoals ? ["goal"] : []),
    "unit",
  ];
  const body = ROWS.filter(({ key }) => names.some(name => results.get(name)?.has(key))).map(({ key, ...row }) => {
    const cells = names.map(name => cell(results.get(name)?.get(key), row.digits));
    const goal = GOALS[key];
    return [
      ...[row.title, ...cells, ...(hasRatio ? [cell(ratioOf(results, key), 2)] : [])],
      ...(hasGoals ? [goal === undefined ? "" : goalText(goal)] : []),
      row.unit,
    ];
  });
  const rule = head.map((_, i) => (i === 0 || i === head.length - 1 ? "---" : "---:"));
  return aligned([head, rule, ...body]);
}

/** Rows of Samsa beside Kafka that miss their goals, each with its whole title. */
export function missed(results: Results): Row[] {
  if (results.size !== 2 || !results.has("Kafka")) return [];
  let subject = "";
  const titled = ROWS.map(row => {
    if (!row.title.startsWith("…")) subject = row.title;
    return row.title === subject ? row : { ...row, title: `${subject} ${row.title}` };
  });
  return titled.filter(({ key }) => {
    const [goal, ratio] = [GOALS[key], ratioOf(results, key)];
    return goal !== undefined && !Number.isNaN(ratio) && !reaches(goal, ratio);
  });
}

function aligned(lines: readonly (readonly string[])[]): string {
  const head = entryAt(lines, 0);
  const widths = head.map((_, column) => Math.max(...lines.map(line => entryAt(line, column).length)));
  const numeric = (column: number): boolean => column > 0 && column < head.length - 1;
  return lines
    .map(line => {
      const cells = line.map((text, i) => {
        const width = entryAt(widths, i);
        if (text.startsWith("---")) return text.padStart(width, "-");
        return numeric(i) ? text.padStart(width) : text.padEnd(width);
      });
      return `| ${cells.join(" | ")} |`;
    })
    .join("\n");
}
