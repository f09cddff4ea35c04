import type { MetricFamily } from "@samsa/broker";
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 20;

/** Watches how long turns of the event loop take; each call tells of the longest since the call before. */
export function watchTurns(): () => MetricFamily {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return () => {
    // What is recorded is the time between two ticks, and they are the resolution apart when nothing delays them.
    const longest = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1000);
    delay.reset();
    return {
      name: "samsa_event_loop_longest_turn_seconds",
      help: "How long a turn of the event loop took at most since the metrics were last read.",
      type: "gauge",
      samples: [{ labels: {}, value: longest }],
    };
  };
}
