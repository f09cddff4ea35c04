/** Ratio of Samsa's figure to Kafka's that a row is to have. */
export type Goal = { readonly least: number } | { readonly most: number };

const least = (ratio: number): Goal => ({ least: ratio });
const most = (ratio: number): Goal => ({ most: ratio });

/** Goals by the keys of rows. */
export const GOALS: Readonly<Record<string, Goal>> = {
  "produce-1000.cpu-gb": most(0.45),
  "single.rate": least(1.6),
  "single.cpu": most(0.35),
  "latency.p99.9": most(0.7),
  ...Object.fromEntries(
    ["gzip", "snappy", "lz4", "zstd"].flatMap(codec => [
      [`codec-${codec}.rate`, least(1)],
      [`codec-${codec}.cpu-gb`, most(0.6)],
    ]),
  ),
  "commits.rate": least(1.5),
  "groups.classic": most(0.5),
  "groups.consumer": most(0.5),
  "loading.start": most(0.5),
  "compaction.rate": least(1),
  "share.rate": least(1),
  "transactions.rate": least(1.2),
  "tls.produce-rate": least(1),
  "tls.produce-cpu-gb": most(0.7),
  "tls.consume-rate": least(1),
  "tls.consume-cpu-gb": most(0.7),
  "tls.logins": least(1),
};

/** Text of a goal: "≥ 1.00". */
export function goalText(goal: Goal): string {
  return "least" in goal ? `≥ ${goal.least.toFixed(2)}` : `≤ ${goal.most.toFixed(2)}`;
}

/** True if a ratio, as it is printed with two digits, reaches the goal. */
export function reaches(goal: Goal, ratio: number): boolean {
  const printed = Number(ratio.toFixed(2));
  return "least" in goal ? printed >= goal.least : printed <= goal.most;
}
