/** Checks and JSON output shared by the walks of the Node clients; `../walk.ts` reads them. */
import { isDeepStrictEqual } from "node:util";

const CHECK_MS = 20_000;

function say(line: object): void {
  console.log(JSON.stringify(line));
}

/** Prints the version of the client. */
export function tellVersion(version: string): void {
  say({ version });
}

/** Runs a check and prints its result; a rejection or a timeout is a failure. Returns true if it passed. */
export async function check(name: string, body: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came of it in ${CHECK_MS} ms`)), CHECK_MS);
    });
    await Promise.race([body(), late]);
    say({ check: name, ok: true });
    return true;
  } catch (error) {
    say({ check: name, ok: false, reason: messageOf(error) });
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Message of an error and of its causes. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const errors = "errors" in error && Array.isArray(error.errors) ? (error.errors as unknown[]) : [];
  const inner = error.cause === undefined ? errors : [...errors, error.cause];
  return [error.message, ...inner.map(messageOf)].join(": ");
}

/** Throws unless `found` equals `expected`. */
export function equal(what: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}

/** Passes if `body` rejects with a message that matches `pattern`. */
export async function refused(pattern: RegExp, body: () => Promise<unknown>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (pattern.test(messageOf(error))) return;
    throw error;
  }
  throw new Error(`it was not refused with ${pattern.source}`);
}
