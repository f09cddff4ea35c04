/** One small, plausible mistake in our own sources. */
export interface Mutant {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What would go wrong. */
  readonly why: string;
}

const STORAGE = "packages/runtime/storage/src";
const BROKER = "packages/runtime/broker/src";
const LOG = "packages/kernel/log/src";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a flush syncs no segment",
    file: `${STORAGE}/log.ts`,
    find: "await this.files.sync(this.unflushed());",
    replace: "await this.files.sync([]);",
    why: "what was acknowledged as flushed is lost with the power",
  },
  {
    name: "a reused offset",
    file: `${LOG}/state.ts`,
    find: "this.endOffset = lastOffset + 1;",
    replace: "this.endOffset = lastOffset;",
    why: "two records get one offset",
  },
  {
    name: "producers are told before the write",
    file: `${BROKER}/partition.ts`,
    find: "if (!this.log.writePending()) {",
    replace: "if (false as boolean) {",
    why: "a killed process loses what it has acknowledged",
  },
];

/** Throws when there is none. */
export function mutantNamed(name: string): Mutant {
  const found = MUTANTS.find(mutant => mutant.name === name);
  if (found === undefined) throw new Error(`there is no mutant "${name}"`);
  return found;
}

/** `text`, the content of the mutant's file, with the mistake in it. Throws when it does not fit any more. */
export function mutated({ name, file, find, replace }: Mutant, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant "${name}" finds its text ${parts.length - 1} times in ${file}: it must be there once`);
  }
  return parts.join(replace);
}
