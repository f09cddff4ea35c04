/** An end that a user can do something about: one sentence on standard error, no stack. */
export class Failure extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Failure";
  }
}

const PLAIN = new Set([
  "Failure",
  "ConfigError",
  "LogDirError",
  "DiskError",
  "NetworkError",
  "QuorumError",
  "StorageError",
]);

/** Prints why the command ends, and sets its exit code. */
export function reportFailure(error: unknown): void {
  const known = error instanceof Error && PLAIN.has(error.name);
  console.error(known ? `samsa: ${error.message}` : error);
  process.exitCode = 1;
}
