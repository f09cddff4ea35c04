import { KafkaJSNonRetriableError } from "../error/errors.ts";

/** Largest number of a setting, and longest time of a timer in ms. */
export const MAX_INT = 0x7fffffff;

/** Throws KafkaJSNonRetriableError for what is no time; one that is left out is none. `name` is that of the setting. */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= MAX_INT)) return;
  throw new KafkaJSNonRetriableError(`${name} is a whole number of milliseconds from 1 on, not ${String(value)}`);
}
