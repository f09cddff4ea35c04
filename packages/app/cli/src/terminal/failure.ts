import { KafkaError } from "@samsa/client-kernel";

/** Error that a user can act on: printed as one sentence on standard error, without a stack. */
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
  "WireError",
]);

/** Prints the reason of a failure and sets exit code 1. */
export function reportFailure(error: unknown): void {
  const known = error instanceof KafkaError || (error instanceof Error && PLAIN.has(error.name));
  console.error(known ? `samsa: ${error.message}` : error);
  process.exitCode = 1;
}
