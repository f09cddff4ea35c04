import { describe, expect, test } from "vitest";
import { hottest } from "../src/profile.ts";
import { table } from "../src/rows.ts";

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
        "|                                   | Samsa | Kafka | Samsa : Kafka | unit |",
        "| --------------------------------- | ----: | ----: | ------------: | ---- |",
        "| Start to first answer, median of 5 |   150 | 3,008 |          0.05 | ms   |",
        "| End to end, acks=all, mean        |     – |  0.50 |             – | ms   |",
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
