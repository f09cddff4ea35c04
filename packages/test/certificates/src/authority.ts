import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import { der, objectId, time } from "./der.ts";

/** A certificate and its private key, in PEM; the key is in PKCS8. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Certificate that an `Authority` is to issue. */
interface Order {
  /** Common name of the owner. */
  readonly name: string;
  /** Names and IPv4 addresses of the owner's hosts. */
  readonly hosts?: readonly string[];
  /** Times from now between which the certificate is valid, in ms; an hour around now by default. */
  readonly valid?: readonly [from: number, until: number];
}

interface Draft extends Order {
  readonly subjectKey: KeyObject;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
  readonly isAuthority: boolean;
}

const HOUR_MS = 3_600_000;
const ECDSA_WITH_SHA256 = der("sequence", objectId("1.2.840.10045.4.3.2"));
const TRUE = der("boolean", Buffer.from([0xff]));
/** Context tags of names: `dNSName` and `iPAddress`. */
const [DNS, ADDRESS] = [0x82, 0x87];
/** Context tags of the version and of the extensions. */
const [VERSION, EXTENSIONS] = [0xa0, 0xa3];

function named(name: string): Buffer {
  const entry = der("sequence", objectId("2.5.4.3"), der("utf8", Buffer.from(name)));
  return der("sequence", der("set", entry));
}

function hostName(host: string): Buffer {
  return isIPv4(host) ? der(ADDRESS, Buffer.from(host.split(".").map(Number))) : der(DNS, Buffer.from(host));
}

function extensions({ hosts = [], isAuthority }: Draft): Buffer[] {
  const extension = (id: string, value: Buffer, ...critical: Buffer[]): Buffer =>
    der("sequence", objectId(id), ...critical, der("octetString", value));
  const basic = extension("2.5.29.19", der("sequence", ...(isAuthority ? [TRUE] : [])), TRUE);
  const names = extension("2.5.29.17", der("sequence", ...hosts.map(hostName)));
  return hosts.length > 0 ? [basic, names] : [basic];
}

function certificate(draft: Draft): string {
  const [from, until] = draft.valid ?? [-HOUR_MS, HOUR_MS];
  const now = Date.now();
  const serial = randomBytes(8);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = der(
    "sequence",
    der(VERSION, der("integer", Buffer.from([2]))),
    der("integer", serial),
    ECDSA_WITH_SHA256,
    named(draft.issuer),
    der("sequence", time(new Date(now + from)), time(new Date(now + until))),
    named(draft.name),
    draft.subjectKey.export({ type: "spki", format: "der" }),
    der(EXTENSIONS, der("sequence", ...extensions(draft))),
  );
  const signature = der("bitString", Buffer.from([0]), sign("sha256", body, draft.issuerKey));
  const base64 = der("sequence", body, ECDSA_WITH_SHA256, signature).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function keyPair(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** Certificate whose owner has signed it. */
export function selfSigned(order: Order): Credentials {
  const { publicKey, privateKey } = keyPair();
  const draft = { ...order, issuer: order.name, issuerKey: privateKey, subjectKey: publicKey, isAuthority: false };
  return { cert: certificate(draft), key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** Issuer of certificates, which lives as long as a test. */
export class Authority {
  readonly name: string;
  /** Own certificate, PEM: those who trust it trust all that it has issued. */
  readonly cert: string;
  readonly #key: KeyObject;

  constructor(name = "Test authority") {
    const { publicKey, privateKey } = keyPair();
    this.name = name;
    this.#key = privateKey;
    this.cert = certificate({ name, issuer: name, issuerKey: privateKey, subjectKey: publicKey, isAuthority: true });
  }

  issue(order: Order): Credentials {
    const { publicKey, privateKey } = keyPair();
    const draft = { ...order, issuer: this.name, issuerKey: this.#key, subjectKey: publicKey, isAuthority: false };
    return {
      cert: certificate(draft),
      key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  }
}
