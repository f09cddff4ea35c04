/**
 * What the broker's Node is started with; `packages/app/cli/bin/samsa` says the same. Objects of requests die young: with V8's own
 * bound (64 MiB, twice) the space for them grows to what an hour of small requests fills, and nothing is won by it.
 */
export const NODE_FLAGS: readonly string[] = ["--max-semi-space-size=16"];
