/** Reasons why rows miss their goals, by their keys, and the flame graph in `docs/flames` that shows it. */
export const REASONS: Readonly<Record<string, { readonly why: string; readonly flame: string }>> = {};
