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

/** Cell of a value that may be absent. */
export function dash(value: number | bigint | string | null | undefined): string {
  return value === null || value === undefined ? "-" : String(value);
}
