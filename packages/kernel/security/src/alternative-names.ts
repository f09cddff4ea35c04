import { fromUtf8, MalformedError, toHex } from "@samsa/base";
import { type Element, elementAt, elementsOf, fieldsFromSubject, inside, OID, oidOf, SEQUENCE } from "./der.ts";

/** Tag of the extensions of a certificate. */
const EXTENSIONS = 0xa3;
const OCTETS = 0x04;
const ALTERNATIVE_NAMES = "2.5.29.17";
/** Kinds of names that are texts, by their tags. */
const TEXTS: Readonly<Record<number, string>> = { 0x81: "email", 0x82: "DNS", 0x86: "URI" };
const ADDRESS = 0x87;

function nameOf({ tag, content, whole }: Element): string {
  const kind = TEXTS[tag];
  if (kind !== undefined) return `${kind}:${fromUtf8(content)}`;
  if (tag !== ADDRESS) return `#${toHex(whole)}`;
  return `IP:${content.length === 4 ? content.join(".") : toHex(content)}`;
}

/**
 * Names of the subject of a certificate in DER beside the distinguished one (RFC 5280, section 4.2.1.6), as in
 * "DNS:localhost" and "IP:127.0.0.1"; none without the extension. Throws `MalformedError`.
 */
export function alternativeNames(certificate: Uint8Array): readonly string[] {
  const found = fieldsFromSubject(certificate).find(({ tag }) => tag === EXTENSIONS);
  if (found === undefined) return [];
  const [list] = elementsOf(found);
  for (const extension of inside(list, SEQUENCE)) {
    const [id, ...rest] = inside(extension, SEQUENCE);
    if (id?.tag !== OID || oidOf(id) !== ALTERNATIVE_NAMES) continue;
    const value = rest.find(({ tag }) => tag === OCTETS);
    if (value === undefined) throw new MalformedError("a certificate with an extension that has no value");
    return inside(elementAt(value.content, 0), SEQUENCE).map(nameOf);
  }
  return [];
}
