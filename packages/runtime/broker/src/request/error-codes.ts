/** Fields of responses that hold an error code. */
const FIELD = "errorCode";

/** True if a response contains an error code, at the top or in one of its elements (`AbstractResponse.errorCounts`). */
export function hasError(response: object, code: number): boolean {
  const left: object[] = [response];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (value instanceof Uint8Array) continue;
    for (const [name, part] of Object.entries(value)) {
      if (name === FIELD && part === code) return true;
      if (typeof part === "object" && part !== null) left.push(part as object);
    }
  }
  return false;
}
