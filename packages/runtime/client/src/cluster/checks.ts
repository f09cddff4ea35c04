import { KafkaError } from "@samsa/client-kernel";

/** Throws a `KafkaError` INVALID_ARGUMENT if a setting is not a whole number from `least` on. */
export function checkWhole(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new KafkaError("INVALID_ARGUMENT", `${name} is ${value}, but it is a whole number from ${least} on`);
}

/** Throws a `KafkaError` INVALID_ARGUMENT if a setting is none of `choices`. */
export function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new KafkaError("INVALID_ARGUMENT", `${name} is "${value}", but it is one of ${choices.join(", ")}`);
}
