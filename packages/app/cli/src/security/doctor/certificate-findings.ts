import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { PassThrough } from "node:stream";
import { createSecureContext, TLSSocket } from "node:tls";
import { MalformedError, parseConfig, type TlsOptions, type TlsSource } from "@samsa/base";
import { brokerConfigs, listenerSetting, parseEndpoint } from "@samsa/broker";
import { storeIdentity } from "@samsa/node";
import { tlsSettings } from "@samsa/wire";
import { type Exposure, isWildcard } from "../exposure.ts";
import type { Finding } from "./finding.ts";

const DAY_MS = 86_400_000;
/** Time in which a certificate can be replaced without haste. */
const SOON_DAYS = 30;
const PEM = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Time and host that a certificate is looked at for. */
interface Use {
  readonly subject: string;
  /** In ms since 1970. */
  readonly now: number;
}

function bytesOf(source: TlsSource): Buffer {
  if (typeof source === "string") return Buffer.from(source);
  return source instanceof Uint8Array ? Buffer.from(source) : readFileSync(source.file);
}

function certificatesOf(text: string): X509Certificate[] {
  return [...text.matchAll(PEM)].map(([pem]) => new X509Certificate(pem));
}

const nameOf = ({ subject }: X509Certificate): string => subject.replaceAll("\n", ", ");

/** Finds certificates that are not valid any more, not yet, or not for long. */
export function validityFindings(certificates: readonly X509Certificate[], { subject, now }: Use): Finding[] {
  return certificates.flatMap((certificate): Finding[] => {
    const name = `the certificate ${nameOf(certificate)}`;
    const end = certificate.validToDate.getTime();
    const day = certificate.validToDate.toISOString().slice(0, 10);
    if (end <= now) {
      return [{ severity: "high", subject, fault: `${name} has expired on ${day}`, remedy: "replace it" }];
    }
    if (certificate.validFromDate.getTime() > now) {
      const from = certificate.validFromDate.toISOString().slice(0, 10);
      const remedy = "set the clock, or replace the certificate";
      return [{ severity: "high", subject, fault: `${name} is not valid before ${from}`, remedy }];
    }
    if (end - now > SOON_DAYS * DAY_MS) return [];
    const days = Math.floor((end - now) / DAY_MS);
    const fault = `${name} expires on ${day}, in ${days} day${days === 1 ? "" : "s"}`;
    return [{ severity: "medium", subject, fault, remedy: "replace it before" }];
  });
}

/** Finds a host that clients connect to and that is not in the certificate. */
export function hostFindings(certificate: X509Certificate, host: string, subject: string): Finding[] {
  const isNamed = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (isNamed !== undefined) return [];
  const fault = `the certificate ${nameOf(certificate)} is not for the host ${host}, so clients refuse it`;
  return [{ severity: "high", subject, fault, remedy: `issue one with ${host} among its subject alternative names` }];
}

/** Own certificates of a listener. */
interface OwnCertificates {
  readonly certificates: readonly X509Certificate[];
  /** False if the key is not that of the first certificate. */
  readonly isMatching: boolean;
}

function withKey(certificates: readonly X509Certificate[], key: KeyObject): OwnCertificates {
  return { certificates, isMatching: certificates[0]?.checkPrivateKey(key) !== false };
}

/** Own certificate of a PKCS12 store, as OpenSSL reads it. Throws if that is not possible, or the key is another one. */
function ofPkcs12(pfx: Buffer, passphrase: string | undefined): OwnCertificates {
  const secureContext = createSecureContext({ pfx, ...(passphrase === undefined ? {} : { passphrase }) });
  // Node shows the certificate of a context only at a socket; this one leads nowhere.
  const socket = new TLSSocket(new PassThrough(), { isServer: true, secureContext });
  const own = socket.getX509Certificate();
  socket.destroy();
  return { certificates: own === undefined ? [] : [own], isMatching: true };
}

function ownCertificates(options: TlsOptions): OwnCertificates | undefined {
  const { cert, key, store, storeType = "PKCS12", passphrase } = options;
  if (store !== undefined && storeType === "PKCS12") return ofPkcs12(bytesOf(store), passphrase);
  if (store !== undefined) {
    const own = storeIdentity(bytesOf(store), { type: storeType, password: passphrase });
    return withKey(certificatesOf(own.cert), createPrivateKey(own.key));
  }
  if (cert === undefined || key === undefined) return undefined;
  const format = { key: bytesOf(key), ...(passphrase === undefined ? {} : { passphrase }) };
  return withKey(certificatesOf(bytesOf(cert).toString("latin1")), createPrivateKey(format));
}

/** Host that clients of a listener connect to: the one that is advertised. */
function clientHost(settings: ReadonlyMap<string, string>, { name, host }: Exposure): string {
  const advertised = parseConfig(brokerConfigs, key => settings.get(key))["advertised.listeners"] ?? [];
  const told = advertised.map(text => parseEndpoint("advertised.listeners", text)).find(one => one.name === name);
  const found = told?.host ?? host;
  return isWildcard(found) ? hostname() : found;
}

function identityFindings(options: TlsOptions, host: string, use: Use): Finding[] {
  const identity = ownCertificates(options);
  const [own] = identity?.certificates ?? [];
  if (identity === undefined || own === undefined) {
    return [
      { severity: "high", subject: use.subject, fault: "there is no certificate", remedy: "set ssl.keystore.location" },
    ];
  }
  const fault = `the certificate ${nameOf(own)} does not match its private key`;
  const remedy = "put the key for which it was issued beside it";
  return [
    ...(identity.isMatching ? [] : [{ severity: "high", subject: use.subject, fault, remedy } as const]),
    ...validityFindings(identity.certificates, use),
    ...hostFindings(own, host, use.subject),
  ];
}

/** Finds what is wrong with the certificates of listeners that speak TLS, at the time `now`, in ms since 1970. */
export function certificateFindings(
  settings: ReadonlyMap<string, string>,
  { exposures, now }: { readonly exposures: readonly Exposure[]; readonly now: number },
): Finding[] {
  return exposures.flatMap((exposure): Finding[] => {
    if (!exposure.isEncrypted) return [];
    const lookup = (name: string): string | undefined => listenerSetting(settings, exposure.name, name);
    const location = lookup("ssl.keystore.location");
    const subject = location ?? `the certificate of listener ${exposure.name}`;
    try {
      const options = tlsSettings(lookup);
      const authority =
        options.ca === undefined || isList(options.ca) ? [] : certificatesOf(bytesOf(options.ca).toString("latin1"));
      const trust = lookup("ssl.truststore.location") ?? `the authorities of listener ${exposure.name}`;
      return [
        ...identityFindings(options, clientHost(settings, exposure), { subject, now }),
        ...validityFindings(authority, { subject: trust, now }),
      ];
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const said = error instanceof MalformedError ? error.message : `cannot be read: ${error.message}`;
      return [{ severity: "high", subject, fault: said, remedy: "give the listener a certificate and its key" }];
    }
  });
}

function isList(ca: NonNullable<TlsOptions["ca"]>): ca is readonly TlsSource[] {
  return Array.isArray(ca);
}
