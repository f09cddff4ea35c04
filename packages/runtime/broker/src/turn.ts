import type { Timers } from "@samsa/base";

/** What a turn does at its end, in this order. */
export const PHASES = ["write", "acknowledge", "send"] as const;
export type Phase = (typeof PHASES)[number];

/**
 * Gathers the work of one turn of the event loop. All requests that have arrived are handled first; then every log is
 * written once, then what waited for those writes is acknowledged, then every connection sends its replies in one
 * write. A task may add tasks; the turn ends when none are left.
 */
export class Turn {
  readonly #timers: Timers;
  readonly #tasks: Record<Phase, (() => void)[]> = { write: [], acknowledge: [], send: [] };
  readonly #failed: (error: unknown) => void;
  #scheduled = false;

  constructor(timers: Timers, failed: (error: unknown) => void) {
    this.#timers = timers;
    this.#failed = failed;
  }

  add(phase: Phase, task: () => void): void {
    this.#tasks[phase].push(task);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#timers.soon(this.#end);
  }

  // One task's failure must not keep the others' replies from being sent.
  #run(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#failed(error);
    }
  }

  // A property, not a method: it is handed over once a turn, and a closure made each time would be garbage.
  readonly #end = (): void => {
    for (let i = 0; i < PHASES.length; ) {
      const tasks = this.#tasks[PHASES[i]];
      if (tasks.length === 0) {
        i++;
        continue;
      }
      this.#tasks[PHASES[i]] = [];
      for (const task of tasks) this.#run(task);
      // What an acknowledgement produced (a group's record, say) is written before anything later happens.
      i = 0;
    }
    this.#scheduled = false;
  };
}
