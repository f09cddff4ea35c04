import type { Explanation } from "./scoreboard.ts";

/** Client messages for an API that the broker does not announce. */
const NOT_ANNOUNCED =
  /does not support|not supported|broker is too old|IncompatibleBroker|UnsupportedVersion|Cannot find matching version|Unsupported API/;

/** Accepted failures. Remove an entry when its feature is implemented. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    judge: /kafka-features|Java Admin/,
    check: /^describe/,
    reason: /share.{0,2}version/,
    kind: "later",
    why: "features are announced with what they stand for: share groups",
  },
  {
    judge: /./,
    check: /./,
    reason: NOT_ANNOUNCED,
    kind: "later",
    why: "the broker does not have this API yet, and does not announce it",
  },
];
