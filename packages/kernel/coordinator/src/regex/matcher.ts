import { placeOf, SYMBOL_COUNT, WORD } from "./alphabet.ts";
import { RegexError } from "./classes.ts";
import { type Node, parseRegex } from "./parse.ts";

/** Bounds what a pattern can cost: the steps of its program, and those taken to build it. */
const MOST_STEPS = 2000;
const MOST_BUILDING = 20_000;
/** States that are remembered; then all are forgotten and found again. */
const MOST_STATES = 1000;

type Step =
  /** A character of the class, then the next step. */
  | { readonly type: "class"; readonly mask: bigint; readonly next: number }
  | { readonly type: "split"; readonly next: readonly number[] }
  | { readonly type: "assert"; readonly what: "start" | "end" | "word" | "notWord"; readonly next: number }
  | { readonly type: "match" };

/** Builds the program back to front: every part knows what comes after it. */
class Builder {
  readonly steps: Step[] = [{ type: "match" }];
  #work = 0;

  #push(step: Step): number {
    if (this.steps.length >= MOST_STEPS) throw new RegexError("expression is too large");
    return this.steps.push(step) - 1;
  }

  /** The step where `node` begins, followed by `next`. */
  build(node: Node, next: number): number {
    if (++this.#work > MOST_BUILDING) throw new RegexError("expression is too large");
    switch (node.type) {
      case "empty":
        return next;
      case "class":
        return this.#push({ type: "class", mask: node.mask, next });
      case "assert":
        return this.#push({ type: "assert", what: node.what, next });
      case "concat":
        return node.parts.reduceRight((after, part) => this.build(part, after), next);
      case "either":
        return this.#push({ type: "split", next: node.parts.map(part => this.build(part, next)) });
      case "repeat":
        return this.#repeat(node, next);
    }
  }

  #repeat({ of, least, most }: Extract<Node, { type: "repeat" }>, next: number): number {
    let start = next;
    if (most === Infinity) {
      const ways: number[] = [];
      start = this.#push({ type: "split", next: ways });
      ways.push(this.build(of, start), next);
    } else {
      for (let i = least; i < most; i++) start = this.#push({ type: "split", next: [this.build(of, start), next] });
    }
    for (let i = 0; i < least; i++) start = this.build(of, start);
    return start;
  }
}

/** What came before: nothing, a character of a word, or another one. */
type Before = "start" | "word" | "other";

interface State {
  /** Steps that may be next, before what costs no character has been followed. */
  readonly steps: readonly number[];
  readonly before: Before;
  /** By symbol; made when needed. */
  readonly after: (State | undefined)[];
  matches: boolean | undefined;
}

/**
 * A pattern of RE2/J that matches whole topic names, in time that grows with name and pattern and no faster, whatever
 * the pattern: states of the set of all ways are made as names lead to them.
 */
export class TopicRegex {
  readonly #steps: readonly Step[];
  readonly #start: number;
  readonly #states = new Map<string, State>();
  /** Steps looked at so far: what the matching has cost. */
  work = 0;

  /** Throws `RegexError` when `pattern` is not valid, or too large. */
  constructor(pattern: string) {
    const builder = new Builder();
    this.#start = builder.build(parseRegex(pattern), 0);
    this.#steps = builder.steps;
  }

  matches(name: string): boolean {
    let state = this.#state([this.#start], "start");
    for (let i = 0; i < name.length; i++) {
      const place = placeOf(name.charCodeAt(i));
      if (place < 0) return false;
      this.work++;
      let next: State | undefined = state.after[place];
      if (next === undefined) {
        next = this.#next(state, place);
        state.after[place] = next;
      }
      if (next.steps.length === 0) return false;
      state = next;
    }
    state.matches ??= this.#closure(state, undefined).includes(0);
    return state.matches;
  }

  #state(steps: readonly number[], before: Before): State {
    const key = `${before} ${steps.join(" ")}`;
    let state = this.#states.get(key);
    if (state === undefined) {
      if (this.#states.size >= MOST_STATES) this.#states.clear();
      state = { steps, before, after: new Array<State | undefined>(SYMBOL_COUNT), matches: undefined };
      this.#states.set(key, state);
    }
    return state;
  }

  #next(state: State, place: number): State {
    const bit = 1n << BigInt(place);
    const isWord = (WORD & bit) !== 0n;
    const next = new Set<number>();
    for (const at of this.#closure(state, isWord)) {
      const step = this.#steps[at];
      if (step.type === "class" && (step.mask & bit) !== 0n) next.add(step.next);
    }
    return this.#state(
      [...next].sort((a, b) => a - b),
      isWord ? "word" : "other",
    );
  }

  /** All steps that are reached without a character; `nextIsWord` is undefined at the end of the name. */
  #closure({ steps, before }: State, nextIsWord: boolean | undefined): number[] {
    const found = new Set(steps);
    // A set that is walked gives what is added meanwhile too.
    for (const at of found) {
      this.work++;
      const step = this.#steps[at];
      if (step.type === "split") for (const next of step.next) found.add(next);
      else if (step.type === "assert") {
        const edge = (before === "word") !== (nextIsWord === true);
        const holds = {
          start: before === "start",
          end: nextIsWord === undefined,
          word: edge,
          notWord: !edge,
        }[step.what];
        if (holds) found.add(step.next);
      }
    }
    return [...found];
  }
}
