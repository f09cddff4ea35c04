import type { MetricFamily } from "@samsa/broker";
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 20;

/** Measures turns of the event loop. Each call returns the longest turn since the previous call, as a metric. */
export function watchTurns(): () => MetricFamily {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return () => {
    // The histogram has the time between two ticks, which is the resolution if nothing delays them.
    const longest = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1000);
    delay.reset();
    return {
      name: "samsa_event_loop_longest_turn_seconds",
      help: "Longest turn of the event loop since the metrics were last read.",
      type: "gauge",
      samples: [{ labels: {}, value: longest }],
    };
  };
}
