import { type Clock, guard, ignored, type Random, type Report, type Timer, type Timers } from "@samsa/base";
import { randomBytes } from "node:crypto";

// Node fires a timer at once if its delay does not fit 31 bits, so longer waits are split.
const LONGEST_DELAY = 0x7fffffff;

/** Clocks of this machine. */
export function nodeClock(): Clock {
  return { now: () => Date.now(), monotonic: () => performance.now() };
}

/** Timers of Node. Errors of callbacks go to `report`: a bug in one must not end the process or the work of others. */
export function nodeTimers(report: Report): Timers {
  let holds = 0;
  let held: NodeJS.Timeout | undefined;
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
    // Node runs immediates after the poll phase, that is, after reading the sockets that were readable.
    soon(callback: () => void): void {
      setImmediate(guard, callback, report);
    },
    hold(): Timer {
      holds++;
      held ??= setInterval(ignored("it only keeps the process alive"), LONGEST_DELAY);
      let isOver = false;
      return {
        cancel() {
          if (isOver) return;
          isOver = true;
          if (--holds > 0) return;
          clearInterval(held);
          held = undefined;
        },
      };
    },
  };
}

/** Random numbers of this machine; `bytes` are cryptographically strong. */
export function nodeRandom(): Random {
  return {
    bytes(length: number): Uint8Array {
      const bytes = randomBytes(length);
      return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    },
    next: () => Math.random(),
  };
}
