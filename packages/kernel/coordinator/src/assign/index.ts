import type { Assignor } from "./assignor.ts";
import { range } from "./range.ts";
import { uniform } from "./uniform.ts";

export { type AssignedMember, type Assignment, type Assignor, NOTHING, sameAssignment } from "./assignor.ts";

/** Assignors of the broker, by name; the first is the default. */
export const ASSIGNORS: ReadonlyMap<string, Assignor> = new Map([
  ["uniform", uniform],
  ["range", range],
]);
