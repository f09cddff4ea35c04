/** Serializes to JSON: bigints as numbers if exact, else as text; bytes as base64; maps as objects. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return Number.isSafeInteger(Number(part)) ? Number(part) : String(part);
    if (part instanceof Uint8Array) return Buffer.from(part).toString("base64");
    if (part instanceof Map) return Object.fromEntries(part);
    return part;
  });
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8 text, or returns `{ base64 }` if the bytes are not valid UTF-8. */
export function textOrBase64(bytes: Uint8Array | null): string | { readonly base64: string } | null {
  if (bytes === null) return null;
  try {
    return strict.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
}
