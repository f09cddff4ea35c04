import { startCluster, type TestCluster, type TestClusterOptions } from "./test-cluster.ts";

/** Hooks of a test runner, as vitest and jest call them; node:test and mocha name them `before` and `after`. */
export interface Hooks {
  readonly beforeAll: (work: () => Promise<void>) => unknown;
  readonly afterAll: (work: () => Promise<void>) => unknown;
}

/**
 * Starts a cluster before the tests of a file or a suite, and stops it after them. Returns the way to the cluster, for
 * use inside tests.
 */
export function clusterFixture({ beforeAll, afterAll }: Hooks, options: TestClusterOptions = {}): () => TestCluster {
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    cluster = await startCluster(options);
  });
  afterAll(async () => {
    await cluster?.close();
    cluster = undefined;
  });
  return () => {
    if (cluster === undefined) throw new Error("the cluster of the fixture runs inside tests only");
    return cluster;
  };
}
