import { generateKeyPair, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { promisify } from "node:util";
import type { pki } from "node-forge";

/** Certificate and its private key, in PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** Name of a new certificate, and the hosts that it is for. */
interface Subject {
  readonly name: string;
  /** DNS names and addresses. */
  readonly hosts: readonly string[];
}

const DAY_MS = 86_400_000;
/** Clocks of other machines may be behind by so much. */
const SKEW_MS = 3_600_000;
const AUTHORITY_DAYS = 3650;
const SERIAL_BYTES = 15;
const DNS_NAME = 2;
const ADDRESS = 7;

// Loaded when needed, since it takes megabytes.
const forge = async () => (await import("node-forge")).default;
const keyPair = promisify(generateKeyPair);

async function keys(modulusLength: number): Promise<{ publicKey: string; privateKey: string }> {
  return keyPair("rsa", {
    modulusLength,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

/** PEM with the ends of lines that other files have here. */
function pemOf(text: string): string {
  return text.replaceAll("\r\n", "\n");
}

/** Unsigned certificate with what all have. */
async function draft(name: string, publicKey: string, days: number): Promise<pki.Certificate> {
  const certificate = (await forge()).pki.createCertificate();
  certificate.publicKey = (await forge()).pki.publicKeyFromPem(publicKey);
  // The number begins with 01, so it is positive.
  certificate.serialNumber = `01${randomBytes(SERIAL_BYTES).toString("hex")}`;
  const now = Date.now();
  certificate.validity.notBefore = new Date(now - SKEW_MS);
  certificate.validity.notAfter = new Date(now + days * DAY_MS);
  certificate.setSubject([{ name: "commonName", value: name }]);
  return certificate;
}

/** Makes a certificate authority. */
export async function makeAuthority(name: string): Promise<Identity> {
  const { pki, md } = await forge();
  const { publicKey, privateKey } = await keys(3072);
  const certificate = await draft(name, publicKey, AUTHORITY_DAYS);
  certificate.setIssuer(certificate.subject.attributes);
  certificate.setExtensions([
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    { name: "subjectKeyIdentifier" },
  ]);
  certificate.sign(pki.privateKeyFromPem(privateKey), md.sha256.create());
  return { certificate: pemOf(pki.certificateToPem(certificate)), key: privateKey };
}

/** Issues a certificate for a server that is a client of other servers, too; it is valid for `days`. */
export async function issue(authority: Identity, { name, hosts }: Subject, days: number): Promise<Identity> {
  const { pki, md } = await forge();
  const issuer = pki.certificateFromPem(authority.certificate);
  const { publicKey, privateKey } = await keys(2048);
  const certificate = await draft(name, publicKey, days);
  certificate.setIssuer(issuer.subject.attributes);
  certificate.setExtensions([
    { name: "basicConstraints", cA: false, critical: true },
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
    { name: "extKeyUsage", serverAuth: true, clientAuth: true },
    {
      name: "subjectAltName",
      altNames: hosts.map(host => (isIP(host) === 0 ? { type: DNS_NAME, value: host } : { type: ADDRESS, ip: host })),
    },
    { name: "subjectKeyIdentifier" },
    { name: "authorityKeyIdentifier", keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
  ]);
  certificate.sign(pki.privateKeyFromPem(authority.key), md.sha256.create());
  return { certificate: pemOf(pki.certificateToPem(certificate)), key: privateKey };
}
