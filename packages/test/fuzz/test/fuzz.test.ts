import { fuzz } from "@samsa/fuzz";
import { expect, test } from "vitest";
import { MAIN } from "../../../app/cli/test/bundle.ts";

test("a broker serves its clients through some hundreds of attacks, forgets none of their records, and leaks nothing", async () => {
  const report = await fuzz({ bundle: MAIN, attacks: 400, seconds: 30, seed: 7, idle: 200, say() {} });
  expect(report.idle.connections).toBe(200);
  expect(report.faults).toEqual([]);
  expect(Object.keys(report.attacks).length).toBeGreaterThan(6);
  expect(report.atController).toBeGreaterThan(20);
  expect(report.canary.records).toBeGreaterThan(5);
  expect(report.rows).toBeGreaterThan(5);
  expect(report.upheavals.moves).toBeGreaterThan(0);
}, 90_000);
