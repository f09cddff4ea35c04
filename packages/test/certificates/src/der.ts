/** Parts of DER (X.690), as far as certificates need them. */

const TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  generalizedTime: 0x18,
} as const;

/** A value with its tag and its length. */
export function der(tag: keyof typeof TAGS | number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = [];
  for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
  const head = body.length < 0x80 ? [body.length] : [0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from([typeof tag === "number" ? tag : TAGS[tag], ...head]), body]);
}

/** An object identifier, as in `2.5.4.3`. */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f));
    bytes.push(...digits);
  }
  return der("objectId", Buffer.from(bytes));
}

/** A time after the year 1950, in seconds. */
export function time(at: Date): Buffer {
  const text = at.toISOString().replace(/\.\d+Z$/, "Z");
  return der("generalizedTime", Buffer.from(text.replaceAll(/[-:T]/g, ""), "latin1"));
}
