import type { Explanation } from "./scoreboard.ts";

/** How clients say that the broker does not announce an API. */
const NOT_ANNOUNCED =
  /does not support|not supported|broker is too old|IncompatibleBroker|UnsupportedVersion|Cannot find matching version|Unsupported API/;

/** Why checks may fail. An entry goes when what it speaks of has come. */
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
