import { entryAt } from "@samsa/base";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flameGraph } from "./flame.ts";
import type { CpuProfile } from "./cpu-profile.ts";

/** Function with its self time. */
export interface HotFunction {
  readonly name: string;
  readonly ms: number;
  /** Share of the busy time. */
  readonly share: number;
}

/** Returns the label of a profile node: function, file and line. */
function labels({ nodes }: CpuProfile): (id: number) => string {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName === "" ? "(anonymous)" : functionName}${url === "" ? "" : ` ${url.split("/").at(-1)}:${lineNumber + 1}`}`,
    ]),
  );
  return id => names.get(id) ?? "";
}

/** Functions of a profile by self time, hottest first. */
export function hottest(profile: CpuProfile, count: number): HotFunction[] {
  const label = labels(profile);
  const times = new Map<string, number>();
  let busy = 0;
  profile.samples.forEach((id, i) => {
    const name = label(id);
    if (name === "(idle)") return;
    const ms = entryAt(profile.timeDeltas, i) / 1000;
    times.set(name, (times.get(name) ?? 0) + ms);
    busy += ms;
  });
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, ms]) => ({ name, ms, share: ms / busy }));
}

/** Prints the hottest functions of every profile in `folder`, and writes a flame graph next to each. */
export function printProfiles(folder: string, count: number): void {
  for (const file of readdirSync(folder).filter(name => name.endsWith(".cpuprofile"))) {
    console.log(`\n${join(folder, file)}`);
    const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
    const picture = join(folder, file.replace(/cpuprofile$/, "svg"));
    writeFileSync(picture, flameGraph(profile, labels(profile)));
    console.log(picture);
    for (const { name, ms, share } of hottest(profile, count)) {
      console.log(`${(share * 100).toFixed(1).padStart(5)} % ${ms.toFixed(0).padStart(6)} ms  ${name}`);
    }
  }
}
