/** Makes the bundle that tests of the command line run. Vitest calls it once, before all tests. */
export async function setup(): Promise<void> {
  await import("./bundle.ts");
}
