import { type Clock, guard, type Random, type Report, type Timer, type Timers } from "@samsa/base";
import { randomBytes } from "node:crypto";

// Node fires a timer at once when its delay does not fit 31 bits, so longer waits are cut into pieces.
const LONGEST_DELAY = 0x7fffffff;

export function nodeClock(): Clock {
  return { now: () => Date.now(), monotonic: () => performance.now() };
}

/** `report` gets what a callback throws: a bug in one must not end the process, nor the work of the others. */
export function nodeTimers(report: Report): Timers {
  return {
    after(delayMs: number, callback: () => void): Timer {
      let handle: NodeJS.Timeout;
      const arm = (left: number) => {
        const now = Math.min(left, LONGEST_DELAY);
        handle = setTimeout(() => (left > now ? arm(left - now) : guard(callback, report)), Math.max(1, now));
        handle.unref();
      };
      arm(delayMs);
      return { cancel: () => clearTimeout(handle) };
    },
    // Node runs immediates after the poll phase, that is, after the sockets that were readable have been read.
    soon(callback: () => void): void {
      setImmediate(guard, callback, report);
    },
  };
}

export function nodeRandom(): Random {
  return {
    bytes(length: number): Uint8Array {
      const bytes = randomBytes(length);
      return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    },
    next: () => Math.random(),
  };
}
