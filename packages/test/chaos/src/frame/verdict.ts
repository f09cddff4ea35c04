/** Numbers of a scenario. Those that it does not measure are left out. */
export interface Figures {
  /** Records that clients were told are written. */
  acknowledged?: number;
  lost?: number;
  duplicated?: number;
  /** Longest time between two acknowledgements while records were sent, in ms. */
  writePauseMs?: number;
  /** Longest time between two deliveries to a consumer while records were sent, in ms. */
  readPauseMs?: number;
  /** Longest time from the end of a fault until every replica is in sync again, in ms. */
  recoveryMs?: number;
  /** Further numbers and texts of one scenario, by name. */
  more?: Record<string, number | string>;
}

/** Result of one scenario. */
export interface Verdict {
  readonly id: string;
  readonly title: string;
  /** `not judged`: no rule is broken, but a time is too long on a machine that is too busy to blame the cluster. */
  readonly outcome: "held" | "broken" | "not judged" | "not run";
  /** Rules that are broken or not judged, or the missing thing without which it cannot run. */
  readonly reasons: readonly string[];
  readonly figures: Figures;
  readonly seconds: number;
}

const NAMES: readonly (readonly [name: Exclude<keyof Figures, "more">, text: string])[] = [
  ["acknowledged", "acknowledged"],
  ["lost", "lost"],
  ["duplicated", "duplicated"],
  ["writePauseMs", "ms without writes"],
  ["readPauseMs", "ms without reads"],
  ["recoveryMs", "ms until in sync"],
];

/** Numbers as one line of text. */
export function figuresText(figures: Figures): string {
  const common = NAMES.flatMap(([name, text]) => {
    const value = figures[name];
    return value === undefined ? [] : [`${Math.round(value)} ${text}`];
  });
  const more = Object.entries(figures.more ?? {}).map(([name, value]) => `${name} ${value}`);
  return [...common, ...more].join(", ");
}

/** Verdict as one line of text. */
export function verdictText({ id, title, outcome, reasons, figures, seconds }: Verdict): string {
  const numbers = figuresText(figures);
  const why = reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
  return `${id} ${outcome}, ${title}${numbers === "" ? "" : ` (${numbers})`}, ${seconds.toFixed(1)} s${why}`;
}
