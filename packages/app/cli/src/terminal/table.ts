/** Formats rows as lines with padded columns; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      if (i < row.length - 1) widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map(row => row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell)).join("  "));
}

/** Prints rows under a head, as `table` formats them. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const line of table([head, ...rows])) console.log(line.trimEnd());
}

/** Number of Kafka's that is negative if it is not known: null then. */
export function known<T extends number | bigint>(value: T): T | null {
  return value < 0 ? null : value;
}

/** Cell of a value that may be absent. */
export function dash(value: number | bigint | string | null | undefined): string {
  return value === null || value === undefined ? "-" : String(value);
}
