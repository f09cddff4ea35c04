import { MalformedError } from "@samsa/base";
import { alternativeNames, subjectName } from "@samsa/security";
import { listenerSetting } from "../config/listeners.ts";

/** Settings that allow another certificate for an open listener. */
type Allowance = "ssl.allow.dn.changes" | "ssl.allow.san.changes";

/** Text that is the same for names that differ in blanks and case only (`X500Principal.equals`). */
const canonical = (name: string): string => name.trim().replace(/\s+/g, " ").toLowerCase();

/**
 * Certificates that open listeners show. Another one must be of the same subject, with all of its names, so that clients
 * and other nodes find the listener as before (`SslFactory.CertificateEntries.ensureCompatible`).
 */
export class ShownCertificates {
  readonly #given: ReadonlyMap<string, string>;
  /** Certificates in DER, by listener. */
  readonly #shown = new Map<string, Uint8Array>();

  /** `given` are the settings of the node's file: those of the metadata cannot lift the protection from themselves. */
  constructor(given: ReadonlyMap<string, string>) {
    this.#given = given;
  }

  /** Notes the certificate of a listener that opens; undefined: it is not known. */
  open(listener: string, certificate: Uint8Array | undefined): void {
    if (certificate === undefined) this.#shown.delete(listener);
    else this.#shown.set(listener, certificate);
  }

  /** Notes a new certificate of a listener, if it is open. */
  change(listener: string, certificate: Uint8Array | undefined): void {
    if (this.#shown.has(listener)) this.open(listener, certificate);
  }

  /** Notes that a listener is closed. */
  close(listener: string): void {
    this.#shown.delete(listener);
  }

  /** Says why an open listener must not show this certificate; undefined: it may. */
  fault(listener: string, certificate: Uint8Array | undefined): string | undefined {
    const shown = this.#shown.get(listener);
    if (shown === undefined || certificate === undefined) return undefined;
    try {
      return this.#subjectFault(listener, shown, certificate) ?? this.#namesFault(listener, shown, certificate);
    } catch (error) {
      if (error instanceof MalformedError) return `listener ${listener}: ${error.message}`;
      throw error;
    }
  }

  #subjectFault(listener: string, before: Uint8Array, after: Uint8Array): string | undefined {
    const [old, other] = [subjectName(before), subjectName(after)];
    if (canonical(old) === canonical(other) || this.#allows(listener, "ssl.allow.dn.changes")) return undefined;
    const said = `the new certificate is of ${other}, that of the open listener ${listener} of ${old}`;
    return `${said}; ssl.allow.dn.changes in the properties of the broker would allow it`;
  }

  #namesFault(listener: string, before: Uint8Array, after: Uint8Array): string | undefined {
    const names = new Set(alternativeNames(after));
    const missing = alternativeNames(before).filter(name => !names.has(name));
    if (missing.length === 0 || this.#allows(listener, "ssl.allow.san.changes")) return undefined;
    const said = `the new certificate lacks names of that of the open listener ${listener}: ${missing.join(", ")}`;
    return `${said}; ssl.allow.san.changes in the properties of the broker would allow it`;
  }

  #allows(listener: string, setting: Allowance): boolean {
    return listenerSetting(this.#given, listener, setting)?.toLowerCase() === "true";
  }
}
