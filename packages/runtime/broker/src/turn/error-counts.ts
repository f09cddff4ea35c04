import { Errors, type Fields } from "@samsa/protocol";

const ERROR_CODE = "errorCode";

/** Places of the error codes of a message: its own fields, and the fields that lead to others. */
interface ErrorPaths {
  readonly own: boolean;
  readonly children: readonly (readonly [field: string, paths: ErrorPaths])[];
}

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(Errors).map(([name, { code }]) => [code, name]));

function pathsOf(fields: Fields): ErrorPaths | undefined {
  const children: (readonly [string, ErrorPaths])[] = [];
  for (const [name, { type }] of Object.entries(fields)) {
    const element = type.kind === "array" ? type.element : type;
    if (element.kind !== "struct") continue;
    const within = pathsOf(element.fields);
    if (within !== undefined) children.push([name, within]);
  }
  const own = Object.hasOwn(fields, ERROR_CODE);
  return own || children.length > 0 ? { own, children } : undefined;
}

/** Counts the error codes in the responses of an API, `NONE` included (`AbstractResponse.errorCounts`). */
export class ErrorCounts {
  readonly #paths: ErrorPaths | undefined;
  readonly #counts = new Map<number, { count: number }>();

  /** `fields`: those of the response. */
  constructor(fields: Fields) {
    this.#paths = pathsOf(fields);
  }

  /** Counts the codes of a response; null: there is none, which is no error. */
  add(response: object | null): void {
    if (response === null || this.#paths === undefined) this.#count(0);
    else this.#walk(response as Readonly<Record<string, unknown>>, this.#paths);
  }

  #walk(message: Readonly<Record<string, unknown>>, { own, children }: ErrorPaths): void {
    // A response may leave out the code of a success.
    if (own) this.#count((message[ERROR_CODE] as number | undefined) ?? 0);
    for (const [field, paths] of children) {
      const value = message[field];
      if (Array.isArray(value)) for (const element of value) this.#walk(element, paths);
      else if (value !== null && value !== undefined) this.#walk(value as Readonly<Record<string, unknown>>, paths);
    }
  }

  #count(code: number): void {
    const known = this.#counts.get(code);
    if (known === undefined) this.#counts.set(code, { count: 1 });
    else known.count++;
  }

  /** Counts by the names of the errors. */
  *[Symbol.iterator](): IterableIterator<readonly [error: string, count: number]> {
    for (const [code, { count }] of this.#counts) yield [NAMES.get(code) ?? String(code), count];
  }
}
