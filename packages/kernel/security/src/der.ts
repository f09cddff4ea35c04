import { MalformedError } from "@samsa/base";

/** Element of DER: its tag, its content, and all of its bytes. */
export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

export const SEQUENCE = 0x30;
export const OID = 0x06;
/** Tag of the version of a certificate, which may be missing. */
const VERSION = 0xa0;

/** Element that begins at a place. Throws `MalformedError`, as all do. */
export function elementAt(bytes: Uint8Array, at: number): Element {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) throw new MalformedError("a certificate that ends early");
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new MalformedError("a certificate with a length that is none");
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw new MalformedError("a certificate that ends early");
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) };
}

/** Elements within another one. */
export function elementsOf({ content }: Element): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < content.length; ) {
    const element = elementAt(content, at);
    found.push(element);
    at += element.whole.length;
  }
  return found;
}

/** Elements within one of a certain tag. */
export function inside(element: Element | undefined, tag: number): Element[] {
  if (element?.tag !== tag) throw new MalformedError("a certificate without a subject");
  return elementsOf(element);
}

/** Object identifier, as in "2.5.4.3". */
export function oidOf({ content }: Element): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    numbers.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = numbers;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join(".");
}

/** Fields of a certificate in DER from its subject on. */
export function fieldsFromSubject(certificate: Uint8Array): readonly Element[] {
  const [toBeSigned] = inside(elementAt(certificate, 0), SEQUENCE);
  const fields = inside(toBeSigned, SEQUENCE);
  // Serial number, signature algorithm, issuer and validity come before the subject.
  return fields.slice(fields[0]?.tag === VERSION ? 5 : 4);
}
