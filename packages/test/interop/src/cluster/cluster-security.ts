import { pbkdf2Sync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Authority } from "@samsa/certificates";
import type { Security } from "@samsa/wire";

/** Name and password of a user, and the mechanism by which the user logs in. */
export interface Login {
  readonly mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly username: string;
  readonly password: string;
}

/** Security of a client of a cluster. Clients trust all authorities that its nodes will have. */
export interface ClientSecurity extends Login {
  /** Certificates of the trusted authorities, PEM. */
  readonly ca: string;
}

/** Hosts of all nodes. */
const HOSTS = ["localhost", "127.0.0.1"];
const ITERATIONS = 4096;
const SALT_BYTES = 16;
/** Codes of the mechanisms in requests, and what derives their salted passwords. */
const HASHES = {
  "SCRAM-SHA-256": { code: 1, hash: "sha256", length: 32 },
  "SCRAM-SHA-512": { code: 2, hash: "sha512", length: 64 },
} as const;

const newPassword = (): string => randomBytes(18).toString("base64url");
const jaas = ({ username, password }: Omit<Login, "mechanism">): string =>
  `org.apache.kafka.common.security.scram.ScramLoginModule required username="${username}" password="${password}";`;

/** The same login with another password. */
export function renewed(login: Login, mechanism = login.mechanism): Login {
  return { ...login, mechanism, password: newPassword() };
}

/** Request that sets the credential of a login. */
export function credentialOf({ username, password, mechanism }: Login): object {
  const { code, hash, length } = HASHES[mechanism];
  const salt = randomBytes(SALT_BYTES);
  const saltedPassword = pbkdf2Sync(password, salt, ITERATIONS, length, hash);
  const upsertion = { name: username, mechanism: code, iterations: ITERATIONS, salt, saltedPassword };
  return { deletions: [], upsertions: [upsertion] };
}

/** Request that deletes the credential of a login. */
export function deletionOf({ username, mechanism }: Login): object {
  return { deletions: [{ name: username, mechanism: HASHES[mechanism].code }], upsertions: [] };
}

/** Security that a connection of our own takes. */
export function wireSecurity({ ca, ...sasl }: ClientSecurity): Security {
  return { tls: { ca }, sasl };
}

/** Security as settings of Java's clients. */
export function javaSettings({ ca, mechanism, ...login }: ClientSecurity): string[] {
  return [
    "security.protocol=SASL_SSL",
    `sasl.mechanism=${mechanism}`,
    `sasl.jaas.config=${jaas(login)}`,
    "ssl.truststore.type=PEM",
    `ssl.truststore.certificates=${ca.replaceAll("\n", String.raw`\n`)}`,
  ];
}

/**
 * Certificates and users of a cluster whose nodes have the settings of `samsa security init`: clients and brokers log in
 * with SCRAM over TLS, controllers know other nodes by their certificates, and an authorizer asks ACLs.
 */
export class ClusterSecurity {
  /** Super user. */
  readonly admin: Login = renewed({ mechanism: "SCRAM-SHA-512", username: "admin", password: "" });
  /** Name of all nodes. */
  readonly broker: Login = renewed({ mechanism: "SCRAM-SHA-512", username: "broker", password: "" });
  /** Authorities: the first one issues certificates, and the next one is to follow it. */
  readonly authorities = [new Authority("First authority"), new Authority("Next authority")] as const;

  /** Security of a client that logs in so. */
  client(login: Login): ClientSecurity {
    return { ...login, ca: this.authorities.map(({ cert }) => cert).join("") };
  }

  /** Makes the folder of a node with its certificate. */
  prepare(home: string, id: number): void {
    mkdirSync(home, { recursive: true });
    const [first] = this.authorities;
    this.trust(home, [first]);
    this.issue(home, id, first);
  }

  /** Writes a new certificate of a node, which it takes at its next start. */
  issue(home: string, id: number, authority: Authority): void {
    const { cert, key } = authority.issue({ name: `node-${id}`, hosts: HOSTS });
    writeFileSync(join(home, "node.pem"), key + cert);
  }

  /** Writes the authorities that a node trusts from its next start on. */
  trust(home: string, authorities: readonly Authority[]): void {
    writeFileSync(join(home, "ca.pem"), authorities.map(({ cert }) => cert).join(""));
  }

  /** Settings by which nodes log in at each other. */
  nodeLogin(login: Login): string[] {
    return [`sasl.mechanism.inter.broker.protocol=${login.mechanism}`, this.#jaasSetting(login)];
  }

  /** Settings by which listeners take a further mechanism, and nodes know its password before they use it. */
  furtherMechanism(login: Login): string[] {
    return [`sasl.enabled.mechanisms=${this.broker.mechanism},${login.mechanism}`, this.#jaasSetting(login)];
  }

  #jaasSetting(login: Login): string {
    return `listener.name.sasl_ssl.${login.mechanism.toLowerCase()}.sasl.jaas.config=${jaas(login)}`;
  }

  /** Settings of a node whose folder is `home`. */
  settings(home: string): string[] {
    return [
      "listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:SSL",
      "inter.broker.listener.name=SASL_SSL",
      "ssl.keystore.type=PEM",
      `ssl.keystore.location=${join(home, "node.pem")}`,
      "ssl.truststore.type=PEM",
      `ssl.truststore.location=${join(home, "ca.pem")}`,
      `sasl.enabled.mechanisms=${this.broker.mechanism}`,
      ...this.nodeLogin(this.broker),
      "listener.name.controller.ssl.client.auth=required",
      "listener.name.controller.ssl.principal.mapping.rules=RULE:^CN=node-[0-9]+$/broker/,DEFAULT",
      "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      `super.users=User:${this.admin.username};User:${this.broker.username}`,
    ];
  }

  /** Arguments of `storage format` that make the first users. */
  firstUsers(): string[] {
    return [this.admin, this.broker].flatMap(({ mechanism, username, password }) => [
      "--add-scram",
      `${mechanism}=[name=${username},password=${password}]`,
    ]);
  }
}
