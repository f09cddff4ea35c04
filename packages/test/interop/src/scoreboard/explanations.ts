import type { Explanation } from "./scoreboard.ts";

/** Client messages for an API that the broker does not announce. */
const NOT_ANNOUNCED =
  /does not support|not supported|broker is too old|IncompatibleBroker|UnsupportedVersion|Cannot find matching version|Unsupported API/;

/** Accepted failures. Remove an entry when its feature is implemented. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    judge: /./,
    check: /./,
    reason: NOT_ANNOUNCED,
    kind: "later",
    why: "the broker does not have this API yet, and does not announce it",
  },
];
