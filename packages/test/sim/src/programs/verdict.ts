import { entryAt } from "@samsa/base";
import { partitionKey } from "@samsa/client-kernel";
import { anomaliesOf, type Operation } from "../ledgers/history.ts";
import { Violation } from "../ledgers/rules.ts";
import { sourceOf } from "./copier.ts";
import type { Journal, Period, Read, Sent, Transaction } from "./journal.ts";
import type { Truth, Written } from "./truth.ts";

function label(topic: string, partition: number, offset: number): string {
  return `${topic}-${partition} at ${offset}`;
}

function short(value: string): string {
  return value.replace(/~+$/, "");
}

/** Checks what producers have sent and were told against the logs. */
export function judgeRecords(journal: Journal, truth: Truth): void {
  const places = new Map<string, { readonly partition: number; readonly offset: number }>();
  const partitionOfKey = new Map<string, number>();
  for (const { topic, partition, records } of truth.logs) {
    const last = new Map<string, Sent>();
    for (const { value, offset } of records) {
      const sent = journal.sent.get(value);
      const where = `${short(value)} in ${label(topic, partition, offset)}`;
      const isMine = sent?.topic === topic && (sent.partition < 0 || sent.partition === partition);
      if (!isMine) throw new Violation("a record was made up", where);
      if (sent.fate === "refused" || sent.fate === "withdrawn")
        throw new Violation("a refused record was written", where);
      judgeKey(partitionOfKey, sent, partition);
      if (!sent.by.isIdempotent) continue;
      if (places.has(value)) throw new Violation("a record is there twice", where);
      places.set(value, { partition, offset });
      const before = last.get(sent.by.name);
      if (before !== undefined && before.order > sent.order) {
        throw new Violation("records are out of order", `${where}, after ${short(before.value)}`);
      }
      last.set(sent.by.name, sent);
    }
  }
  for (const sent of journal.sent.values()) {
    if (sent.fate === "failed" && sent.transaction === undefined && sent.sentAt > journal.calmAt) {
      throw new Violation("the client gives up", `${short(sent.value)} was not written, without a fault`);
    }
    judgeAcknowledgement(sent, truth, places);
  }
}

function judgeKey(partitionOfKey: Map<string, number>, { key, topic, value }: Sent, partition: number): void {
  if (key === null) return;
  const name = `${topic}/${key}`;
  const known = partitionOfKey.get(name) ?? partition;
  partitionOfKey.set(name, partition);
  if (known !== partition) {
    throw new Violation("a key is in two partitions", `${name} in ${known} and, with ${short(value)}, in ${partition}`);
  }
}

function judgeAcknowledgement(
  { fate, at, topic, value, by }: Sent,
  truth: Truth,
  places: ReadonlyMap<string, { readonly partition: number; readonly offset: number }>,
): void {
  if (fate !== "acknowledged" || at === undefined) return;
  const where = `${short(value)} in ${label(topic, at.partition, at.offset)}`;
  if (at.offset < 0) {
    // The broker has recognized a repetition, and does not know where the first one is.
    if (by.isIdempotent && places.get(value)?.partition !== at.partition) {
      throw new Violation("an acknowledged record is lost", where);
    }
    return;
  }
  const found = truth.at(topic, at.partition, at.offset);
  if (found?.value !== value) {
    throw new Violation("an acknowledged record is lost", `${where}, where ${short(found?.value ?? "nothing")} is`);
  }
}

/** Checks transactions: all of one counts, or nothing of it. */
export function judgeTransactions(journal: Journal, truth: Truth): void {
  const fates = new Map<string, Written["fate"]>();
  for (const { records } of truth.logs) {
    for (const { value, fate, offset } of records) {
      if (fate === "open")
        throw new Violation("no progress after healing", `${short(value)} at ${offset} is undecided`);
      fates.set(value, fate);
    }
  }
  for (const transaction of journal.transactions.values()) judgeTransaction(transaction, fates);
}

function judgeTransaction({ name, records, fate }: Transaction, fates: ReadonlyMap<string, Written["fate"]>): void {
  const counted = records.filter(({ value }) => fates.get(value) === "committed");
  const [first] = counted;
  if (fate === "aborted" && first !== undefined) {
    throw new Violation("an aborted record was seen", `${short(first.value)} of ${name}`);
  }
  const isWanted = ({ fate: own }: Sent): boolean => own !== "withdrawn" && (fate === "committed" || own !== "refused");
  const missing = records.find(sent => isWanted(sent) && fates.get(sent.value) !== "committed");
  if (missing === undefined) return;
  if (fate === "committed") {
    const rule = first === undefined ? "a committed transaction is lost" : "half of a transaction was seen";
    throw new Violation(rule, `${short(missing.value)} of ${name}`);
  }
  if (first !== undefined) {
    throw new Violation(
      "half of a transaction was seen",
      `${short(first.value)} of ${name} without ${short(missing.value)}`,
    );
  }
}

/** Checks what each consumer has got against the logs. */
export function judgeReads(journal: Journal, truth: Truth): void {
  for (const period of journal.periods) {
    judgePeriod(period, truth);
    if (period.isCommittedOnly) for (const read of period.reads) judgeCommitted(journal, period, read);
  }
}

function judgePeriod(
  { reader, topic, partition, isCommittedOnly, isOrdered, from, reads }: Period,
  truth: Truth,
): void {
  const visible = truth.visible(topic, partition, isCommittedOnly);
  const index = new Map(visible.map(({ offset }, i) => [offset, i]));
  const seen = new Set<number>();
  let next = from === undefined ? undefined : visible.findIndex(({ offset }) => offset >= from);
  for (const { offset, value } of reads) {
    const where = `${reader} gets ${label(topic, partition, offset)}`;
    const written = truth.at(topic, partition, offset);
    if (written?.value !== value) {
      throw new Violation("an offset changed its content", `${where}: ${short(value)}, not ${written?.value}`);
    }
    const at = index.get(offset);
    if (at === undefined) throw new Violation("an aborted record was seen", where);
    if (seen.has(offset)) throw new Violation("a record was read twice", where);
    seen.add(offset);
    if (!isOrdered) continue;
    if (next !== undefined && at > next) {
      throw new Violation("a record was passed over", `${where} before ${visible[next]?.offset}`);
    }
    if (next !== undefined && at < next) throw new Violation("records are out of order", `${where} after a later one`);
    next = at + 1;
  }
}

/** Checks that a reader of committed records got a record only after its transaction was to be committed. */
function judgeCommitted(journal: Journal, { reader, topic, partition }: Period, read: Read): void {
  const transaction = journal.sent.get(read.value)?.transaction;
  if (transaction === undefined || transaction.commitAt < read.at) return;
  const where = `${reader} gets ${label(topic, partition, read.offset)} of ${transaction.name}`;
  throw new Violation("an undecided record was seen", where);
}

/** Place in the order of events at which a group was done with each record of a partition. */
function doneBy(periods: readonly Period[]): Map<number, number> {
  const done = new Map<number, number>();
  for (const { reads } of periods) {
    for (const { offset, doneAt } of reads) done.set(offset, Math.min(doneAt, done.get(offset) ?? Infinity));
  }
  return done;
}

/** Checks what groups have got and committed: no record is left out, and none comes twice without a fault. */
export function judgeGroups(journal: Journal, truth: Truth): void {
  const byPartition = new Map<string, Period[]>();
  for (const period of journal.periods) {
    if (period.group === undefined) continue;
    const key = `${period.group}/${partitionKey(period.topic, period.partition)}`;
    const known = byPartition.get(key);
    if (known === undefined) byPartition.set(key, [period]);
    else known.push(period);
  }
  for (const periods of byPartition.values()) judgePartition(journal, truth, periods);
}

function judgePartition(journal: Journal, truth: Truth, periods: readonly Period[]): void {
  const { group = "", topic, partition, isCommittedOnly } = entryAt(periods, 0);
  const visible = truth.visible(topic, partition, isCommittedOnly);
  const done = doneBy(periods);
  const commits = journal.commits.filter(
    commit => commit.group === group && commit.topic === topic && commit.partition === partition,
  );
  for (const { offset, began, at } of commits) {
    const early = visible.find(written => written.offset < offset && !((done.get(written.offset) ?? Infinity) < began));
    if (early === undefined) continue;
    const detail = `${group} commits ${offset} before ${label(topic, partition, early.offset)} is done (event ${at})`;
    throw new Violation("a record was committed too early", detail);
  }
  for (const { reads, reader } of periods) {
    const [first] = reads;
    if (first === undefined) continue;
    const least = reads.reduce((min, { offset }) => Math.min(min, offset), Infinity);
    const passed = visible.find(({ offset }) => offset < least && !((done.get(offset) ?? Infinity) < first.at));
    if (passed === undefined) continue;
    const detail = `${reader} of ${group} begins at ${least}, and nobody was done with ${passed.offset}`;
    throw new Violation("a record was passed over", `${topic}-${partition}: ${detail}`);
  }
  judgeCalm(journal, periods);
}

/** Checks that without faults no record comes to a group twice. */
function judgeCalm(journal: Journal, periods: readonly Period[]): void {
  const seen = new Map<number, string>();
  for (const { reads, reader, group, topic, partition, isOrdered, from } of periods) {
    // After an aborted transaction a program goes back.
    if (from !== undefined) continue;
    for (const { offset, at, doneAt } of reads) {
      if (at < journal.calmAt) continue;
      const before = seen.get(offset);
      if (before !== undefined) {
        const detail = `${label(topic, partition, offset)} by ${before} and ${reader} of ${group}`;
        throw new Violation("a record was read twice", `without a fault: ${detail}`);
      }
      // Records that handlers have done out of order cannot be committed before those that are missing.
      if (isOrdered && doneAt < Infinity) seen.set(offset, reader);
    }
  }
}

/** First record that a group has not got yet; undefined: it has all. */
export function unreadOf(
  journal: Journal,
  truth: Truth,
  of: { readonly group: string; readonly topics: readonly string[]; readonly isCommittedOnly: boolean },
): string | undefined {
  for (const { topic, partition, records } of truth.logs) {
    if (!of.topics.includes(topic) || records.length === 0) continue;
    const mine = journal.periods.filter(
      period => period.group === of.group && period.topic === topic && period.partition === partition,
    );
    const done = doneBy(mine);
    const missing = truth
      .visible(topic, partition, of.isCommittedOnly)
      .find(({ offset }) => (done.get(offset) ?? Infinity) === Infinity);
    if (missing !== undefined) return `${of.group} is not done with ${label(topic, partition, missing.offset)}`;
  }
  return undefined;
}

/** Checks that each record of a topic is in another one exactly once, in its order. */
export function judgeCopies(
  truth: Truth,
  from: string,
  to: { readonly name: string; readonly partitions: number },
): void {
  const copied = new Map<number, number[]>();
  for (let partition = 0; partition < to.partitions; partition++) {
    for (const { value, offset } of truth.visible(to.name, partition, true)) {
      const source = sourceOf(value);
      if (source === undefined)
        throw new Violation("a record was made up", `${value} in ${to.name}-${partition} at ${offset}`);
      const list = copied.get(source.partition) ?? [];
      copied.set(source.partition, list);
      list.push(source.offset);
    }
  }
  for (const { topic, partition } of truth.logs) {
    if (topic !== from) continue;
    const offsets = truth.visible(from, partition, true).map(({ offset }) => offset);
    const copies = copied.get(partition) ?? [];
    const wrong = offsets.findIndex((offset, i) => copies[i] !== offset);
    if (wrong < 0 && copies.length === offsets.length) continue;
    const at = wrong < 0 ? offsets.length : wrong;
    const detail = `copy ${at} of ${from}-${partition} is of ${copies[at]}, not of ${offsets[at]}`;
    throw new Violation("a transaction is missing or there twice", detail);
  }
}

/** True for a value that may be in a log once only. */
function isUnique(journal: Journal, value: string): boolean {
  return journal.sent.get(value)?.by.isIdempotent === true;
}

/** Has the independent check of histories look for anomalies, as far as it knows what transactions are. */
export function judgeHistory(journal: Journal, truth: Truth): void {
  const history: Operation[] = [];
  for (const sent of journal.sent.values()) {
    const { fate, at, by, value, topic, transaction } = sent;
    const isCounted = transaction === undefined || transaction.fate === "committed";
    if (fate !== "acknowledged" || at === undefined || at.offset < 0 || !isCounted || !by.isIdempotent) continue;
    // Answers to batches come in any order, so each record is an operation of a process of its own.
    const log = partitionKey(topic, at.partition);
    history.push({ type: "send", process: value, log, values: [value], offset: at.offset });
  }
  for (const [i, { topic, partition, isOrdered, reads }] of journal.periods.entries()) {
    const log = partitionKey(topic, partition);
    const process = `period ${i}`;
    const counted = reads.filter(({ offset, value }) => {
      return isUnique(journal, value) && truth.at(topic, partition, offset)?.fate !== "aborted";
    });
    const list = counted.map(({ offset, value }) => [offset, value] as const);
    const [first] = list;
    if (first !== undefined && isOrdered) history.push({ type: "poll", process, log, from: first[0], records: list });
  }
  for (const { topic, partition, records } of truth.logs) {
    const log = partitionKey(topic, partition);
    const unique = records.filter(({ fate, value }) => fate !== "aborted" && isUnique(journal, value));
    const counted = unique.map(({ offset, value }) => [offset, value] as const);
    const [first] = counted;
    if (first === undefined) continue;
    history.push({ type: "poll", process: "the log itself", log, from: first[0], records: counted });
    history.push({ type: "read through", log });
  }
  const [anomaly] = anomaliesOf(history);
  if (anomaly === undefined) return;
  throw new Violation("the history is impossible", `${anomaly.type} in ${anomaly.log}: ${anomaly.detail}`);
}
