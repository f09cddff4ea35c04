import { join } from "node:path";
import { expect, test } from "vitest";
import { refused } from "./refused.ts";

const PACKAGE = join(import.meta.dirname, "..");

const NUMBERS = [
  "Offset",
  "LeaderEpoch",
  "PartitionEpoch",
  "PartitionIndex",
  "BrokerId",
  "BrokerEpoch",
  "ProducerEpoch",
] as const;
/** Brands of `Int64`. */
const INT64 = ["WireOffset", "BrokerEpoch"];
const BRANDS = [...NUMBERS, "WireOffset", "ProducerId"] as const;

const DECLARED = `
import { nearestNumber } from "../src/index.ts";
import type { Int64, ${BRANDS.join(", ")} } from "../src/index.ts";
${BRANDS.map(name => `declare const a${name}: ${name};`).join("\n")}
declare const int64: Int64, some: number | undefined, absent: Offset | undefined;
declare function take<T>(value: T): void;
`;

function pairs(names: readonly string[]): [string, string][] {
  // An offset of a log is one that a peer may send.
  const same = (a: string, b: string) => a.replace("Wire", "") === b.replace("Wire", "");
  return names.flatMap(to => names.filter(from => !same(from, to)).map((from): [string, string] => [from, to]));
}

// Runs the compiler, because the promise is that a swap does not compile.
test("a value of one brand is not a value of another", () => {
  const swaps = [
    ...pairs(BRANDS).map(([from, to]) => `take<${to}>(a${from});`),
    ...pairs(NUMBERS).map(([from, to]) => `take<boolean>(a${from} === a${to});`),
    "take<readonly BrokerId[]>([aPartitionIndex]);",
    "take<Map<BrokerId, Offset>>(new Map<PartitionIndex, Offset>());",
    "take<{ offset?: Offset }>({ offset: aLeaderEpoch });",
    "take<Offset>(absent ?? aLeaderEpoch);",
    "take<(epoch: LeaderEpoch) => void>((_offset: Offset) => {});",
    "let offset = aOffset; offset = aLeaderEpoch;",
    "take<LeaderEpoch>(nearestNumber(aWireOffset));",
    "take<Offset>(aWireOffset);",
  ];
  expect(refused(PACKAGE, DECLARED, swaps)).toEqual(swaps);
});

test("plain numbers, literals and results of arithmetic are values of every brand", () => {
  const fine = [
    ...NUMBERS.flatMap(name => [`take<${name}>(-1);`, `take<${name}>(Number("7"));`]),
    ...NUMBERS.filter(name => !INT64.includes(name)).flatMap(name => [
      `take<${name}>(a${name} + 1);`,
      `take<number>(a${name});`,
    ]),
    ...INT64.flatMap(name => [`take<${name}>(int64);`, `take<Int64>(a${name});`]),
    "take<ProducerId>(-1n);",
    "take<ProducerId>(aProducerId + 1n);",
    "take<bigint>(aProducerId);",
    "take<WireOffset>(aOffset);",
    "take<Offset>(nearestNumber(aWireOffset));",
    "take<Offset>(nearestNumber(int64));",
    "take<Offset>(some ?? -1);",
    "take<readonly Offset[]>([1, 2]);",
    "take<boolean>(aOffset === some);",
  ];
  expect(refused(PACKAGE, DECLARED, fine)).toEqual([]);
});
