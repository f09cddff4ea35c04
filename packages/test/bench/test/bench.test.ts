import { describe, expect, test } from "vitest";
import { flameGraph } from "../src/profiles/flame.ts";
import { GOALS } from "../src/goals.ts";
import { medians, missesText } from "../src/main.ts";
import { REASONS } from "../src/misses.ts";
import { hottest } from "../src/profiles/profile.ts";
import { missed, table } from "../src/rows.ts";

describe("table", () => {
  test("compares two, and leaves out rows that nobody has", () => {
    const results = new Map([
      ["Samsa", new Map([["start.ms", 150.4]])],
      [
        "Kafka",
        new Map([
          ["start.ms", 3008],
          ["latency.mean", 0.5],
        ]),
      ],
    ]);
    expect(table(results).split("\n")).toEqual(
      [
        "|                                   | Samsa | Kafka | Samsa : Kafka | goal | unit |",
        "| --------------------------------- | ----: | ----: | ------------: | ---: | ---- |",
        "| Start to first answer, median of 5 |   150 | 3,008 |          0.05 |      | ms   |",
        "| End to end, acks=all, mean        |     – |  0.50 |             – |      | ms   |",
      ].map(line =>
        expect.stringMatching(
          new RegExp(
            line
              .split("|")
              .map(cell => `\\s*${cell.trim().replace(/-+/, "-+")}\\s*`)
              .join("\\|"),
          ),
        ),
      ),
    );
  });

  test("one alone has no ratio", () => {
    expect(table(new Map([["Samsa", new Map([["start.ms", 150]])]]))).toContain("| Samsa | unit |");
  });
});

describe("goals", () => {
  const results = (samsa: number, kafka: number) =>
    new Map([
      ["Samsa", new Map([["share.rate", samsa]])],
      ["Kafka", new Map([["share.rate", kafka]])],
    ]);

  test("stand beside the ratios, and rows that miss theirs are listed", () => {
    expect(table(results(99, 100))).toContain("0.99 | ≥ 1.00 |");
    expect(missed(results(99, 100)).map(({ key }) => key)).toEqual(["share.rate"]);
    expect(missesText(results(99, 100))).toContain(
      "- **Four members of a share group, 100 B records**: not examined yet.",
    );
    expect(missed(results(100, 100))).toEqual([]);
    expect(missesText(results(100, 100))).toBe("");
  });

  test("are of rows that there are", () => {
    const all = new Map(Object.keys(GOALS).map(key => [key, 1]));
    const rows = table(
      new Map([
        ["Samsa", all],
        ["Kafka", all],
      ]),
    )
      .split("\n")
      .slice(2);
    expect(rows).toHaveLength(Object.keys(GOALS).length);
    for (const key of Object.keys(REASONS)) expect(GOALS).toHaveProperty([key]);
  });
});

describe("medians", () => {
  test("takes the middle of the runs that have a figure", () => {
    const runs = [
      new Map([["a", 3]]),
      new Map([["a", 1]]),
      new Map([
        ["a", 2],
        ["b", 7],
      ]),
    ];
    expect(medians(runs)).toEqual(
      new Map([
        ["a", 2],
        ["b", 7],
      ]),
    );
  });
});

describe("hottest", () => {
  test("sums self time by function and leaves idle time out", () => {
    const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 });
    const nodes = [
      { id: 1, callFrame: frame("(idle)", "") },
      { id: 2, callFrame: frame("take", "file:///x/start.mjs") },
      { id: 3, callFrame: frame("take", "file:///x/start.mjs") },
      { id: 4, callFrame: frame("", "") },
    ];
    const profile = { nodes, samples: [1, 2, 3, 4], timeDeltas: [9000, 2000, 1000, 1000] };
    expect(hottest(profile, 25)).toEqual([
      { name: "take start.mjs:10", ms: 3, share: 0.75 },
      { name: "(anonymous)", ms: 1, share: 0.25 },
    ]);
    expect(hottest(profile, 1)).toHaveLength(1);
  });
});

describe("flame graph", () => {
  test("shows calls above their callers, as wide as their time, without the time in which nothing ran", () => {
    const frame = (functionName: string) => ({ functionName, url: "", lineNumber: 0 });
    const nodes = [
      { id: 1, callFrame: frame("(root)"), children: [2, 3, 5] },
      { id: 2, callFrame: frame("(idle)") },
      { id: 3, callFrame: frame("turn"), children: [4, 6] },
      { id: 4, callFrame: frame("read<T>") },
      { id: 5, callFrame: frame("(garbage collector)") },
      { id: 6, callFrame: frame("read<T>") },
    ];
    const profile = { nodes, samples: [2, 3, 4, 5, 6], timeDeltas: [9000, 1000, 1000, 1000, 1000] };
    const picture = flameGraph(profile, id => nodes[id - 1].callFrame.functionName);
    const drawn = [...picture.matchAll(/<title>(.*?)<\/title><rect x="([\d.]+)" y="(-\d+)" width="([\d.]+)"/g)];
    expect(drawn.map(([, ...told]) => told)).toEqual([
      ["all: 4.0 ms, 100.0 %", "0.0", "-17", "1600.0"],
      ["(garbage collector): 1.0 ms, 25.0 %", "0.0", "-34", "400.0"],
      ["turn: 3.0 ms, 75.0 %", "400.0", "-34", "1200.0"],
      ["read&#60;T&#62;: 2.0 ms, 50.0 %", "400.0", "-51", "800.0"],
    ]);
  });
});
