import { entryAt, lastEntry } from "@samsa/base";
import type { CpuProfile } from "./cpu-profile.ts";

/** Frame of the flame graph: a function, with the functions that it called. */
interface Frame {
  readonly label: string;
  readonly children: Map<string, Frame>;
  /** Time in the function and its callees, in µs. */
  total: number;
}

const WIDTH = 1600;
const ROW = 17;
const LETTER = 6.6;
/** Minimum width of a frame: narrower ones are invisible, and there are thousands. */
const NARROWEST = 0.4;

function frame(label: string): Frame {
  return { label, children: new Map(), total: 0 };
}

/** Merges the samples of a profile by call path, without idle time. */
function frames(profile: CpuProfile, label: (id: number) => string): Frame {
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)),
  );
  const root = frame("all");
  const found = new Map<number, readonly Frame[]>();
  const path = (id: number): readonly Frame[] => {
    const known = found.get(id);
    if (known !== undefined) return known;
    const parent = parents.get(id);
    // The root node of the profile is our root frame.
    if (parent === undefined) return [root];
    const above = path(parent);
    const { children } = lastEntry(above);
    const name = label(id);
    const own = children.get(name) ?? frame(name);
    children.set(name, own);
    const whole = [...above, own];
    found.set(id, whole);
    return whole;
  };
  profile.samples.forEach((id, i) => {
    if (label(id) === "(idle)") return;
    for (const each of path(id)) each.total += entryAt(profile.timeDeltas, i);
  });
  return root;
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, letter => `&#${letter.charCodeAt(0)};`);
}

/** Warm colour of a function, the same in every graph. */
function colour(label: string): string {
  let hash = 0;
  for (let i = 0; i < label.length; i++) hash = (hash * 31 + label.charCodeAt(i)) >>> 0;
  return `hsl(${hash % 50} ${60 + (hash % 7) * 5}% ${62 + (hash % 5) * 3}%)`;
}

/**
 * Renders a flame graph as SVG: a row for each call depth, callers below their callees, with widths in proportion to
 * time. The tooltip of a frame has its name, time and share.
 */
export function flameGraph(profile: CpuProfile, label: (id: number) => string): string {
  const root = frames(profile, label);
  const rows: string[] = [];
  let depth = 0;
  const draw = (own: Frame, left: number, level: number): void => {
    const width = (own.total / root.total) * WIDTH;
    if (!(width >= NARROWEST)) return;
    depth = Math.max(depth, level + 1);
    const told = `${own.label}: ${(own.total / 1000).toFixed(1)} ms, ${((own.total / root.total) * 100).toFixed(1)} %`;
    const room = Math.floor((width - 6) / LETTER);
    const text = room < 3 ? "" : own.label.slice(0, room);
    // Rows go up from y = 0, since the height is known only at the end.
    const y = -(level + 1) * ROW;
    rows.push(
      `<g><title>${escaped(told)}</title>` +
        `<rect x="${left.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(own.label)}"/>` +
        `<text x="${(left + 3).toFixed(1)}" y="${y + ROW - 5}">${escaped(text)}</text></g>`,
    );
    let at = left;
    for (const child of [...own.children.values()].sort((a, b) => (a.label < b.label ? -1 : 1))) {
      draw(child, at, level + 1);
      at += (child.total / root.total) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = depth * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 ${-height} ${WIDTH} ${height}" font-family="monospace" font-size="11">`,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}
