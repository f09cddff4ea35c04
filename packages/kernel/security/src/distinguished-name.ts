import { fromUtf8, MalformedError, toHex } from "@samsa/base";
import { type Element, fieldsFromSubject, inside, OID, oidOf, SEQUENCE } from "./der.ts";

const SET = 0x31;
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
  const [subject] = fieldsFromSubject(certificate);
  const names = inside(subject, SEQUENCE).map(set => inside(set, SET).map(attributeText).join("+"));
  return names.reverse().join(",");
}
