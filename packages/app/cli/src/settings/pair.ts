import { Failure } from "../terminal/failure.ts";

/** Parses `key=value`, the value of `option`. Throws `Failure`. */
export function pair(text: string, option: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf("=");
  if (at <= 0) throw new Failure(`${option} wants key=value, not "${text}"`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}
