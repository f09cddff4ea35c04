const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Text of bytes in base64, with padding (RFC 4648). */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const n = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += ALPHABET.charAt(n >> 18) + ALPHABET.charAt((n >> 12) & 63);
    text += left > 1 ? ALPHABET.charAt((n >> 6) & 63) : "=";
    text += left > 2 ? ALPHABET.charAt(n & 63) : "=";
  }
  return text;
}

/** Bytes of a text in base64 with padding; undefined if it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let i = 0, at = 0; i < text.length; i += 4, at += 3) {
    let n = 0;
    // Padding has no digits.
    for (let j = i; j < i + 4; j++) n = (n << 6) | Math.max(0, ALPHABET.indexOf(text.charAt(j)));
    bytes[at] = n >> 16;
    // Writes beyond the end are ignored.
    bytes[at + 1] = n >> 8;
    bytes[at + 2] = n;
  }
  return bytes;
}

/** Text of bytes in base64url, without padding (RFC 7515). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Bytes of a text in base64url without padding; undefined if it is none. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return fromBase64(plain.padEnd(Math.ceil(plain.length / 4) * 4, "="));
}
