import { toJson } from "../terminal/json.ts";
import type { Entry } from "./entry.ts";

type Facts = Entry["facts"];

/** Heading, minimum width (negative: right-aligned), and text of a cell. */
type Column = readonly [heading: string, width: number, cell: (facts: Facts) => string];

function text(value: unknown): string {
  return typeof value === "string" ? value : toJson(value);
}

/** Formats a timestamp in ISO 8601; "-" for -1, and the number if it is out of range. */
export function timeText(value: unknown): string {
  if (value === -1) return "-";
  if (typeof value !== "number") return String(value);
  return Math.abs(value) > 8.64e15 ? String(value) : new Date(value).toISOString();
}

const field = (heading: string, width: number, name: string): Column => [heading, width, facts => text(facts[name])];
const unlessNone = (heading: string, width: number, name: string): Column => [
  heading,
  width,
  facts => (Number(facts[name]) === -1 ? "-" : text(facts[name])),
];
const time = (heading: string, name: string): Column => [heading, 24, facts => timeText(facts[name])];

function flags(facts: Facts): string {
  const said = [
    facts.magic === 2 ? "" : `magic ${text(facts.magic)}`,
    facts.transactional === true ? "transactional" : "",
    facts.control === true ? "control" : "",
    facts.timestampType === "LogAppendTime" ? "append-time" : "",
    facts.deleteHorizon === undefined ? "" : `delete-horizon ${timeText(facts.deleteHorizon)}`,
  ];
  return said.filter(flag => flag !== "").join(" ");
}

const COLUMNS: Readonly<Partial<Record<Entry["kind"], readonly Column[]>>> = {
  batch: [
    field("POSITION", -10, "position"),
    field("SIZE", -8, "size"),
    field("FIRST", -10, "baseOffset"),
    field("LAST", -10, "lastOffset"),
    field("COUNT", -6, "count"),
    time("TIME", "maxTimestamp"),
    ["CRC", 3, facts => (facts.crcOk === true ? "ok" : "BAD")],
    field("CODEC", 6, "codec"),
    unlessNone("EPOCH", -5, "leaderEpoch"),
    unlessNone("PRODUCER", -8, "producerId"),
    unlessNone("PEPOCH", -6, "producerEpoch"),
    unlessNone("SEQUENCE", -8, "baseSequence"),
    ["FLAGS", 0, flags],
  ],
  index: [field("OFFSET", -12, "offset"), field("POSITION", -12, "position")],
  timeIndex: [time("TIME", "timestamp"), field("OFFSET", -12, "offset")],
  abortedTransaction: [
    field("PRODUCER", -8, "producerId"),
    field("FIRST", -10, "firstOffset"),
    field("LAST", -10, "lastOffset"),
    field("LAST STABLE", -11, "lastStableOffset"),
  ],
  producer: [
    field("PRODUCER", -8, "producerId"),
    field("PEPOCH", -6, "epoch"),
    unlessNone("COORDINATOR EPOCH", -17, "coordinatorEpoch"),
    ["LAST SEQUENCE", -13, facts => text(facts.lastSequence ?? "-")],
    ["LAST OFFSET", -11, facts => text(facts.lastOffset ?? "-")],
    time("TIME", "lastTimestamp"),
    unlessNone("OPEN SINCE", -10, "txnFirstOffset"),
  ],
  epoch: [field("EPOCH", -8, "epoch"), field("FROM OFFSET", -12, "startOffset")],
  checkpoint: [
    field("OFFSET", -12, "offset"),
    ["PARTITION", 0, facts => `${text(facts.topic)}-${text(facts.partition)}`],
  ],
};

function row(columns: readonly Column[], cell: (column: Column) => string): string {
  return columns
    .map(column => (column[1] < 0 ? cell(column).padStart(-column[1]) : cell(column).padEnd(column[1])))
    .join("  ")
    .trimEnd();
}

function recordText(facts: Facts): string {
  const headers = facts.headers as readonly { key: string; value: unknown }[];
  const said = ["control", "data", "key", "value"].flatMap(name =>
    name in facts ? [`${name}=${toJson(facts[name])}`] : [],
  );
  if (headers.length > 0)
    said.push(`headers=${toJson(Object.fromEntries(headers.map(({ key, value }) => [key, value])))}`);
  if (facts.undecoded !== undefined) said.push(`(${text(facts.undecoded)})`);
  return `  | ${text(facts.offset)}  ${timeText(facts.timestamp)}  ${said.join("  ")}`;
}

function problemText({ position, message, damage }: Facts): string {
  return `${damage === true ? "!" : "-"} ${position === undefined ? "" : `at ${text(position)}: `}${text(message)}`;
}

/** Formats entries as tables, with a heading wherever another kind begins. */
export class EntryText {
  #kind: Entry["kind"] | undefined;

  lines(entry: Entry): string[] {
    const { kind, facts } = entry;
    if (kind === "problem") return [problemText(facts)];
    if (kind === "record") return [recordText(facts)];
    if (kind === "fact") {
      return [`${text(facts.name)}: ${text(facts.value)}`];
    }
    const columns = COLUMNS[kind] ?? [];
    const line = row(columns, ([, , cell]) => cell(facts));
    if (this.#kind === kind) return [line];
    this.#kind = kind;
    return [row(columns, ([heading]) => heading), line];
  }
}
