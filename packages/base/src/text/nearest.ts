/** Number of edits up to which a name counts as a misspelling of another. */
const MOST_EDITS = 2;

/** Number of characters to insert, delete or replace to turn one text into the other (Levenshtein distance). */
function edits(one: string, other: string): number {
  let before = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    let last = i;
    for (let j = 1; j <= other.length; j++) {
      const replaced = (before[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      last = Math.min(replaced, (before[j] ?? 0) + 1, last + 1);
      row.push(last);
    }
    before = row;
  }
  return before[other.length] ?? 0;
}

/** Name among `known` that `name` is most likely a misspelling of; undefined if it resembles none. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = MOST_EDITS + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= fewest) continue;
    const count = edits(name, candidate);
    if (count >= fewest) continue;
    fewest = count;
    best = candidate;
  }
  return best;
}
