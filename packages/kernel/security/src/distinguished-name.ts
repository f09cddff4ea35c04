import { fromUtf8, MalformedError, toHex } from "@samsa/base";

/** Element of DER: its tag, its content, and all of its bytes. */
interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const OID = 0x06;
/** Tag of the version of a certificate, which may be missing. */
const VERSION = 0xa0;
/** Tags of the texts that Java writes as such, with their encodings. */
const UTF8 = 0x0c;
const LATIN = [0x13, 0x14, 0x16, 0x1b];
const UTF16 = 0x1e;

/** Keywords of attributes in RFC 2253, by their object identifiers. */
const KEYWORDS: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.25": "DC",
  "0.9.2342.19200300.100.1.1": "UID",
};

function elementAt(bytes: Uint8Array, at: number): Element {
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
function elementsOf({ content }: Element): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < content.length; ) {
    const element = elementAt(content, at);
    found.push(element);
    at += element.whole.length;
  }
  return found;
}

function inside(element: Element | undefined, tag: number): Element[] {
  if (element?.tag !== tag) throw new MalformedError("a certificate without a subject");
  return elementsOf(element);
}

function oidOf({ content }: Element): string {
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

/** Text of a value; undefined if it is none. */
function textOf({ tag, content }: Element): string | undefined {
  if (tag === UTF8) return fromUtf8(content);
  if (LATIN.includes(tag)) return String.fromCharCode(...content);
  if (tag !== UTF16) return undefined;
  const codes = Array.from(
    { length: content.length >> 1 },
    (_, i) => (content[2 * i] ?? 0) * 256 + (content[2 * i + 1] ?? 0),
  );
  return String.fromCharCode(...codes);
}

/** Escapes a value as RFC 2253 has it, and Java: the special characters, zero, blanks at its ends. */
function escaped(text: string): string {
  return text
    .replace(/[,=+<>#;"\\]/g, "\\$&")
    .replaceAll("\0", "\\00")
    .replace(/^[ \r]+|[ \r]+$/g, blanks => blanks.replace(/./gs, "\\$&"));
}

function attributeText(attribute: Element): string {
  const [type, value] = inside(attribute, SEQUENCE);
  if (type?.tag !== OID || value === undefined) throw new MalformedError("a certificate without a subject");
  const oid = oidOf(type);
  const keyword = KEYWORDS[oid];
  const text = keyword === undefined ? undefined : textOf(value);
  return text === undefined ? `${keyword ?? oid}=#${toHex(value.whole)}` : `${keyword}=${escaped(text)}`;
}

/**
 * Subject of a certificate in DER, as Java writes it: in RFC 2253, the most precise attribute first
 * (`X500Principal.getName`). Throws `MalformedError`.
 */
export function subjectName(certificate: Uint8Array): string {
  const [toBeSigned] = inside(elementAt(certificate, 0), SEQUENCE);
  const fields = inside(toBeSigned, SEQUENCE);
  // Serial number, signature algorithm, issuer and validity come before the subject.
  const subject = fields[fields[0]?.tag === VERSION ? 5 : 4];
  const names = inside(subject, SEQUENCE).map(set => inside(set, SET).map(attributeText).join("+"));
  return names.reverse().join(",");
}
