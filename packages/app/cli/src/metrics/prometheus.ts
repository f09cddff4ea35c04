// Import names statically: the bundle loses the names of a CommonJS module that is imported lazily.
import { collectDefaultMetrics, Registry } from "prom-client";
import { Exposition } from "./exposition.ts";

/** Sample of the event loop's lag that no measurement stands behind. */
const NO_SAMPLE = /^nodejs_eventloop_lag_\w+ (?:Nan|9223372036\S*)\n/gm;

/** Creates the writer of this process's metrics. It observes Node from then on, so create one per process. */
export function processExposition(): Exposition {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const text = async (): Promise<string> => {
    const own = await registry.metrics();
    // Without a sample since the last scrape the histogram of the event loop has sentinels for figures.
    return own.replaceAll(NO_SAMPLE, "");
  };
  const has = (name: string): boolean => registry.getSingleMetric(name) !== undefined;
  return new Exposition({ text, has }, () => performance.now());
}
