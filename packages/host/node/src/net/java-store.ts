import { messageOf, TlsError, type TlsStore } from "@samsa/base";
import { requiredModule } from "../modules/optional.ts";

/** Entry of a store, in PEM. */
interface Entry {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

/** The part of jks-js that is used. */
interface StoreReader {
  toPem(store: Buffer, password: string): Readonly<Record<string, Entry>>;
}

/** Reads a store that Java's keytool has made. Throws `TlsError` INVALID_OPTIONS. */
function entriesOf(name: string, bytes: Uint8Array, { type, password = "" }: Omit<TlsStore, "source">): Entry[] {
  try {
    // Loaded when needed, since it takes megabytes.
    return Object.values(requiredModule<StoreReader>("jks-js").toPem(Buffer.from(bytes), password));
  } catch (error) {
    const why = messageOf(error);
    throw new TlsError("INVALID_OPTIONS", "EINVAL", `the ${name} (${type}) cannot be read: ${why}`);
  }
}

/** Trusted certificates of a store, in PEM. Throws `TlsError` INVALID_OPTIONS. */
export function trustedOf(bytes: Uint8Array, store: Omit<TlsStore, "source">): string[] {
  const found = entriesOf("trust store", bytes, store).flatMap(({ ca }) => ca ?? []);
  if (found.length > 0) return found;
  throw new TlsError("INVALID_OPTIONS", "EINVAL", "the trust store has no trusted certificate");
}

/** The own certificate of a store, with those of its issuers, and its key, in PEM. Throws `TlsError` INVALID_OPTIONS. */
export function identityOf(
  bytes: Uint8Array,
  store: Omit<TlsStore, "source">,
): { readonly cert: string; readonly key: string } {
  const [own] = entriesOf("key store", bytes, store).flatMap(({ cert, key }) =>
    cert === undefined || key === undefined ? [] : [{ cert, key }],
  );
  if (own !== undefined) return own;
  throw new TlsError("INVALID_OPTIONS", "EINVAL", "the key store has no private key");
}
