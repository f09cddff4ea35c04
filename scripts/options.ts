import { Command, InvalidArgumentError } from "commander";

/** A command of `npm run`: unknown options and `--help` end it with a sentence or the list of its options. */
export function command(name: string, description: string): Command {
  return new Command(`npm run ${name} --`).description(description).allowExcessArguments(false);
}

/** Reads a whole number of at least `least`; anything else ends the command. */
export function whole(least: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`A whole number from ${least} on is needed.`);
    }
    return value;
  };
}
