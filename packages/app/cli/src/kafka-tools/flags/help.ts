import type { Flag, Flags } from "./flag.ts";

const WIDTH = 40;
const TYPES = { text: "String", int: "Integer", long: "Long", double: "Double" } as const;

function argumentOf({ argument, type = "text", isOptional }: Flag): string {
  if (argument === undefined) return "";
  const what = argument === "" ? TYPES[type] : `${TYPES[type]}: ${argument}`;
  return isOptional === true ? ` [${what}]` : ` <${what}>`;
}

/** List of the options of a tool, one a line, by name. */
export function optionList(flags: Flags): string {
  const isMarked = Object.values(flags).some(({ isRequired }) => isRequired === true);
  const rows = Object.keys(flags)
    .toSorted()
    .map(name => {
      const flag = flags[name];
      if (flag === undefined) return "";
      const { help, preset } = flag;
      const mark = flag.isRequired === true ? "* " : "";
      const left = `${mark}${name.length === 1 ? "-" : "--"}${name}${argumentOf(flag)}`;
      const right = preset === undefined ? help : `${help} (default: ${preset})`;
      return left.length < WIDTH ? `${left.padEnd(WIDTH)}${right}` : `${left}\n${" ".repeat(WIDTH)}${right}`;
    });
  const head = isMarked ? "Option (* = required)" : "Option";
  return [`${head.padEnd(WIDTH)}Description`, `${"-".repeat(head.length).padEnd(WIDTH)}-----------`, ...rows].join(
    "\n",
  );
}
