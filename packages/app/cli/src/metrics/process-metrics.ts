import { readFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { MetricSource } from "@samsa/broker";
import { COMMIT, VERSION } from "../terminal/version.ts";

const RESOLUTION_MS = 20;
/** Least time over which idleness is measured, in ms. */
const LEAST_MS = 30_000;

const NO_LABELS = {};

/** Share of time in which the event loop was idle, from 0 to 1, over the last 30 to 60 s if it is read that often. */
function idleness(): () => number {
  let older = performance.eventLoopUtilization();
  let newer = older;
  let newerAt = performance.now();
  return () => {
    const now = performance.eventLoopUtilization();
    if (performance.now() - newerAt >= LEAST_MS) {
      older = newer;
      newer = now;
      newerAt = performance.now();
    }
    return 1 - performance.eventLoopUtilization(now, older).utilization;
  };
}

/** Bytes that this process has had read from disks and written to them; undefined where Linux does not tell. */
function diskBytes(field: "read_bytes" | "write_bytes"): number | undefined {
  try {
    const found = new RegExp(`^${field}: (\\d+)$`, "m").exec(readFileSync("/proc/self/io", "latin1"));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

/** Metrics of this process that Node's own do not have. It observes the event loop from then on. */
export function watchProcess(): readonly MetricSource[] {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const idle = idleness();
  const longest = (): number => {
    // The histogram has the time between two ticks, which is the resolution if nothing delays them.
    const seconds = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1000);
    delay.reset();
    return seconds;
  };
  const gauge = (
    name: string,
    help: string,
    read: () => number | undefined,
    aliases: readonly string[] = [],
  ): MetricSource => ({
    ...{ name, help, aliases },
    type: "gauge",
    samples: () => {
      const value = read();
      return value === undefined ? [] : [{ labels: NO_LABELS, value }];
    },
  });
  const build = { version: VERSION, commit: COMMIT };
  return [
    gauge(
      "samsa_event_loop_longest_turn_seconds",
      "Longest turn of the event loop since the metrics were last read.",
      longest,
    ),
    gauge(
      "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
      "Share of time in which the event loop was idle, from 0 to 1.",
      idle,
      ["kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate"],
    ),
    gauge(
      "kafka_network_socketserver_networkprocessoravgidle_percent",
      "Share of time in which the event loop was idle, from 0 to 1.",
      idle,
      ["kafka_network_socketserver_networkprocessoravgidlepercent"],
    ),
    gauge("kafka_server_kafkaserver_linux_disk_read_bytes", "Bytes read from disks (Linux).", () =>
      diskBytes("read_bytes"),
    ),
    gauge("kafka_server_kafkaserver_linux_disk_write_bytes", "Bytes written to disks (Linux).", () =>
      diskBytes("write_bytes"),
    ),
    {
      name: "samsa_build_info",
      help: "1, with the version and the commit.",
      type: "gauge",
      samples: () => [{ labels: build, value: 1 }],
    },
  ];
}
