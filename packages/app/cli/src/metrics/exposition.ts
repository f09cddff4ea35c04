import type { Labels, MetricFamily, MetricSample, MetricSource } from "@samsa/broker";

/** A metric, with its values or the way to them. */
export type Rendered = MetricSource | MetricFamily;

/** Longest time that rendering holds the event loop in one turn, in ms. */
const SLICE_MS = 2;
/** Samples between two looks at the clock. */
const LOOK_AFTER = 64;
/** Characters of a chunk. */
const CHUNK = 64 * 1024;

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", '"': '\\"' };

const escaped = (text: string): string => text.replace(/[\\\n"]/g, one => ESCAPES[one] ?? one);
const escapedHelp = (text: string): string => text.replace(/[\\\n]/g, one => ESCAPES[one] ?? one);

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** Writes metrics in Prometheus' text format (0.0.4). Labels that a metric had before at the same place are not rendered again. */
export class Exposition {
  /** Labels of the last scrape with their texts, by metric, in the order of its samples: most are there again. */
  readonly #last = new Map<string, { readonly labels: Labels[]; readonly texts: string[] }>();
  readonly #own: () => Promise<string>;
  readonly #isOwn: (name: string) => boolean;
  readonly #clock: () => number;

  /** `own`: text of further metrics, and whether a name is one of theirs. `clock`: in ms. */
  constructor(own: { text: () => Promise<string>; has: (name: string) => boolean }, clock: () => number) {
    this.#own = own.text;
    this.#isOwn = own.has;
    this.#clock = clock;
  }

  /**
   * Text of all metrics, in chunks. It lets other work go first after each `SLICE_MS`. Of metrics with equal names, the
   * first one counts: clients choose the names of theirs.
   */
  async *chunks(metrics: Iterable<Rendered>): AsyncGenerator<string> {
    yield await this.#own();
    const taken = new Set<string>();
    let text = "";
    let until = this.#clock() + SLICE_MS;
    let left = LOOK_AFTER;
    for (const metric of metrics) {
      for (const name of [metric.name, ...(metric.aliases ?? [])]) {
        if (taken.has(name) || this.#isOwn(name)) continue;
        taken.add(name);
        text += `# HELP ${name} ${escapedHelp(metric.help)}\n# TYPE ${name} ${metric.type}\n`;
        const last = this.#lastOf(metric.name);
        let i = 0;
        for (const { labels, value, suffix = "" } of samplesOf(metric)) {
          if (last.labels[i] !== labels) {
            last.labels[i] = labels;
            last.texts[i] = labelsText(labels);
          }
          text += `${name}${suffix}${last.texts[i++]} ${numberText(value)}\n`;
          if (--left > 0) continue;
          left = LOOK_AFTER;
          if (text.length >= CHUNK) {
            yield text;
            text = "";
          }
          if (this.#clock() < until) continue;
          await nextTurn();
          until = this.#clock() + SLICE_MS;
        }
        last.labels.length = i;
        last.texts.length = i;
      }
    }
    for (const name of this.#last.keys()) if (!taken.has(name)) this.#last.delete(name);
    if (text !== "") yield text;
  }

  #lastOf(name: string): { readonly labels: Labels[]; readonly texts: string[] } {
    let last = this.#last.get(name);
    if (last === undefined) {
      last = { labels: [], texts: [] };
      this.#last.set(name, last);
    }
    return last;
  }

  /** Text of all metrics. */
  async render(metrics: Iterable<Rendered>): Promise<string> {
    let text = "";
    for await (const chunk of this.chunks(metrics)) text += chunk;
    return text;
  }
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function samplesOf({ samples }: Rendered): Iterable<MetricSample> {
  return typeof samples === "function" ? samples() : samples;
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve);
  });
}
