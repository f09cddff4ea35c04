import { readFileSync } from "node:fs";

/** Unit of CPU time in `/proc`: Linux reports hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** User and system CPU seconds of a process so far; undefined without `/proc`. */
export function cpuSecondsOf(pid: number): number | undefined {
  const stat = readProc(pid, "stat");
  // The process name may contain spaces and ends at the last bracket; utime and stime are fields 14 and 15.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** File of a process in `/proc`; undefined if there is none. */
export function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}
