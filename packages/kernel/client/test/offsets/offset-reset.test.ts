import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { parseOffsetReset } from "../../src/index.ts";
import { faultOf } from "../../src/offsets/partition-fault.ts";

describe("auto.offset.reset", () => {
  test.each(["earliest", "latest", "none"] as const)("%s", text => {
    expect(parseOffsetReset(text)).toBe(text);
  });

  test.each([
    ["P1D", 86_400_000],
    ["PT1H", 3_600_000],
    ["P2DT3H4M5.678S", 2 * 86_400_000 + 3 * 3_600_000 + 4 * 60_000 + 5678],
    ["PT0.5S", 500],
    ["pt90m", 5_400_000],
    ["PT0S", 0],
  ])("by_duration:%s", (text, byDurationMs) => {
    expect(parseOffsetReset(`by_duration:${text}`)).toEqual({ byDurationMs });
  });

  test.each(["P", "PT", "P1DT", "-PT1H", "PT-1H", "1h", "", "P1Y", "PT99999999999999999H"])(
    "by_duration:%s is refused",
    text => {
      expect(() => parseOffsetReset(`by_duration:${text}`)).toThrow(/^auto.offset.reset has the duration "/);
    },
  );

  test.each(["", "EARLIEST", "smallest", "by_duration"])("%s is refused", text => {
    expect(() => parseOffsetReset(text)).toThrow(/^auto.offset.reset is earliest, latest, none or by_duration, not/);
  });
});

test("errors that Kafka's consumers do not know are told if they are final", () => {
  expect(faultOf(Errors.OFFSET_MOVED_TO_TIERED_STORAGE.code)).toBe("raise");
  expect(faultOf(Errors.REQUEST_TIMED_OUT.code)).toBe("refresh");
  expect(faultOf(Errors.UNKNOWN_SERVER_ERROR.code)).toBe("retry");
  expect(faultOf(12345)).toBe("retry");
});
