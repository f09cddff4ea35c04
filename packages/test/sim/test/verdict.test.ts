import { describe, expect, test } from "vitest";
import { Journal, type Period, type Sender } from "../src/programs/journal.ts";
import { Truth, type Written } from "../src/programs/truth.ts";
import {
  judgeCopies,
  judgeGroups,
  judgeHistory,
  judgeReads,
  judgeRecords,
  judgeTransactions,
  unreadOf,
} from "../src/programs/verdict.ts";

const place = { topic: "t", partition: 0 };
const sender = (): Sender => ({ name: "p", isIdempotent: true, count: 0 });
const written = (offset: number, value: string, fate: Written["fate"] = "plain"): Written => ({ offset, value, fate });

function log(...records: readonly Written[]): Truth {
  return new Truth([{ ...place, records, end: records.length + 10 }]);
}

function judge(journal: Journal, truth: Truth): void {
  judgeRecords(journal, truth);
  judgeTransactions(journal, truth);
  judgeReads(journal, truth);
  judgeGroups(journal, truth);
  judgeHistory(journal, truth);
}

/** Journal of a producer that has sent values, all of them acknowledged at the offsets 0, 1, … */
function sent(...values: readonly string[]): Journal {
  const journal = new Journal();
  const by = sender();
  values.forEach((value, offset) => journal.acknowledged(journal.send(by, place, value), 0, offset));
  return journal;
}

function read(journal: Journal, facts: Partial<Period>, ...records: readonly (readonly [number, string])[]): Period {
  const defaults = { reader: "r", group: undefined, isCommittedOnly: true, isOrdered: true };
  const period = journal.assigned({ ...defaults, ...facts }, place);
  for (const [offset, value] of records) journal.done(journal.read(period, offset, value));
  return period;
}

function transacted(fate: "committed" | "aborted" | "open"): Journal {
  const journal = new Journal();
  const by = sender();
  const transaction = journal.begin("x");
  const both = ["a", "b"].map(value => journal.send(by, place, value, transaction));
  transaction.commitAt = journal.tick();
  both.forEach((one, offset) => journal.acknowledged(one, 0, offset));
  transaction.fate = fate;
  return journal;
}

const A = written(0, "a");
const B = written(1, "b");
const C = written(2, "c");

const BAD: readonly (readonly [rule: string, play: () => void])[] = [
  ["a record was made up", () => judge(sent(), log(A))],
  ["a record is there twice", () => judge(sent("a"), log(A, written(1, "a")))],
  ["records are out of order", () => judge(sent("a", "b"), log(written(0, "b"), written(1, "a")))],
  ["an acknowledged record is lost", () => judge(sent("a", "b"), log(A))],
  [
    "a refused record was written",
    () => {
      const journal = new Journal();
      journal.failed(journal.send(sender(), place, "a"), "refused");
      judge(journal, log(A));
    },
  ],
  [
    "a key is in two partitions",
    () => {
      const journal = new Journal();
      const by = sender();
      for (const value of ["a", "b"]) journal.send(by, { topic: "t", key: "k" }, value);
      judge(
        journal,
        new Truth([0, 1].map(partition => ({ topic: "t", partition, records: [[A], [B]][partition]!, end: 9 }))),
      );
    },
  ],
  [
    "half of a transaction was seen",
    () => judge(transacted("open"), log(written(0, "a", "committed"), written(1, "b", "aborted"))),
  ],
  [
    "a committed transaction is lost",
    () => judge(transacted("committed"), log(written(0, "a", "aborted"), written(1, "b", "aborted"))),
  ],
  [
    "an aborted record was seen",
    () => judge(transacted("aborted"), log(written(0, "a", "committed"), written(1, "b", "committed"))),
  ],
  [
    "an aborted record was seen",
    () => {
      const journal = transacted("aborted");
      read(journal, {}, [0, "a"]);
      judge(journal, log(written(0, "a", "aborted"), written(1, "b", "aborted")));
    },
  ],
  [
    "an undecided record was seen",
    () => {
      const journal = new Journal();
      const transaction = journal.begin("x");
      const one = journal.send(sender(), place, "a", transaction);
      read(journal, {}, [0, "a"]);
      transaction.commitAt = journal.tick();
      journal.acknowledged(one, 0, 0);
      transaction.fate = "committed";
      judge(journal, log(written(0, "a", "committed")));
    },
  ],
  [
    "an offset changed its content",
    () => {
      const journal = sent("a");
      read(journal, {}, [0, "x"]);
      judge(journal, log(A));
    },
  ],
  [
    "a record was read twice",
    () => {
      const journal = sent("a");
      read(journal, { isOrdered: false }, [0, "a"], [0, "a"]);
      judge(journal, log(A));
    },
  ],
  [
    "a record was passed over",
    () => {
      const journal = sent("a", "b", "c");
      read(journal, {}, [0, "a"], [2, "c"]);
      judge(journal, log(A, B, C));
    },
  ],
  [
    "a record was passed over",
    () => {
      const journal = sent("a", "b");
      read(journal, { from: 0 }, [1, "b"]);
      judge(journal, log(A, B));
    },
  ],
  [
    "a record was passed over",
    () => {
      const journal = sent("a", "b");
      read(journal, { group: "g" }, [1, "b"]);
      judge(journal, log(A, B));
    },
  ],
  [
    "a record was committed too early",
    () => {
      const journal = sent("a");
      const began = journal.tick();
      journal.commits.push({ group: "g", ...place, offset: 1, began, at: journal.tick() });
      read(journal, { group: "g" }, [0, "a"]);
      judge(journal, log(A));
    },
  ],
  [
    "a record was read twice",
    () => {
      const journal = sent("a");
      journal.calm();
      journal.ended(read(journal, { group: "g" }, [0, "a"]));
      read(journal, { group: "g" }, [0, "a"]);
      judge(journal, log(A));
    },
  ],
  [
    "a partition has two owners",
    () => {
      const journal = sent("a");
      read(journal, { group: "g" });
      journal.calm();
      read(journal, { group: "g" });
    },
  ],
  [
    "a record of a lost partition was read",
    () => {
      const journal = sent("a");
      const period = read(journal, {});
      journal.ended(period);
      journal.read(period, 0, "a");
    },
  ],
  [
    "a record has two ends",
    () => {
      const journal = new Journal();
      const one = journal.send(sender(), place, "a");
      journal.acknowledged(one, 0, 0);
      journal.failed(one, "failed");
    },
  ],
  [
    "a transaction is missing or there twice",
    () => {
      const copies = [written(0, "t-0@1 x"), written(1, "t-0@0 y")];
      const logs = [
        { ...place, records: [A, B], end: 9 },
        { topic: "u", partition: 0, records: copies, end: 9 },
      ];
      judgeCopies(new Truth(logs), "t", { name: "u", partitions: 1 });
    },
  ],
];

describe("the verdict on programs", () => {
  test.each(BAD)("finds that %s", (rule, play) => {
    expect(play).toThrow(expect.objectContaining({ rule }));
  });

  test("has nothing against what Kafka promises", () => {
    const journal = sent("a", "b", "c");
    const first = read(journal, { group: "g" }, [0, "a"], [1, "b"]);
    journal.ended(first);
    // A record that nobody has committed comes again to the next owner.
    read(journal, { group: "g", reader: "s" }, [1, "b"], [2, "c"]);
    const truth = log(A, B, C);
    judge(journal, truth);
    judge(transacted("open"), log(written(0, "a", "aborted"), written(1, "b", "aborted")));
    judge(transacted("committed"), log(written(0, "a", "committed"), written(1, "b", "committed")));
    expect(unreadOf(journal, truth, { group: "g", topics: ["t"], isCommittedOnly: true })).toBeUndefined();
    expect(unreadOf(journal, truth, { group: "h", topics: ["t"], isCommittedOnly: true })).toContain("at 0");
  });
});
