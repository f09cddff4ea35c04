import type { Timers } from "@samsa/base";

/** Phases at the end of a turn, in this order. */
const PHASES = ["write", "acknowledge", "send"] as const;
export type Phase = (typeof PHASES)[number];

/**
 * Batches the work of one turn of the event loop. All requests that have arrived are handled first; then every log is
 * written once, then requests that waited for those writes are acknowledged, then every connection sends its replies in
 * one write. A task may add tasks; the turn ends when none are left.
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

  // A failing task must not prevent the others' replies.
  #run(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#failed(error);
    }
  }

  // A property instead of a method: it is passed on once a turn without a new closure.
  readonly #end = (): void => {
    for (let i = 0; i < PHASES.length; ) {
      const phase = PHASES[i] as Phase;
      const tasks = this.#tasks[phase];
      if (tasks.length === 0) {
        i++;
        continue;
      }
      this.#tasks[phase] = [];
      for (const task of tasks) this.#run(task);
      // Acknowledgements may append (a group's record, for example): write these before later phases run.
      i = 0;
    }
    this.#scheduled = false;
  };
}
