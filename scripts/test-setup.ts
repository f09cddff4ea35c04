/**
 * Makes the bundle that tests of the command line run. Vitest calls it once, before all tests. A bundle with a planted
 * mistake is never made.
 */
export async function setup(): Promise<void> {
  if (process.env["SAMSA_MUTANT"] !== undefined) return;
  await import("./bundle.ts");
}
