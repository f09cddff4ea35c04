/** Value below which this part of the values is, the higher one of two; NaN of none. */
export function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

/** Middle value, the higher one of two; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
