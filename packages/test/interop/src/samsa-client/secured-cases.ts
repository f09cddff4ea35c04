/** Ways of connecting to a `SecuredBroker`, as a file for the walks of other clients. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SecuredBroker, type SecuredListener } from "./secured-broker.ts";
import type { SecuredCase } from "../walks/secured-case.ts";
import { SECURED_TOPIC, SECURED_USERS } from "./security-checks.ts";

const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

/** Lifetime of tokens, longer than all walks. */
const TOKEN_S = 1800;

function bearer(token: string): Partial<SecuredCase> {
  return { mechanism: "OAUTHBEARER", token };
}

/** The same token with a signature that its issuer has not made. */
function otherSignature(token: string): string {
  const at = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(at), "base64url");
  signature[0] = (signature[0] ?? 0) ^ 1;
  return token.slice(0, at) + signature.toString("base64url");
}

interface Trust {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly keystore: string;
}

function writeTrust({ folder, authority }: SecuredBroker): Trust {
  const { cert, key } = authority.issue({ name: "carol" });
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  return {
    ca: join(folder, "ca.pem"),
    cert: file("carol-cert.pem", cert),
    key: file("carol-key.pem", key),
    keystore: file("carol.pem", `${key}${cert}`),
  };
}

/** Ways with right and with wrong credentials over each mechanism, and with and without the certificates of TLS. */
export function securedCases(secured: SecuredBroker): readonly SecuredCase[] {
  const { ca, ...own } = writeTrust(secured);
  const at = (name: string, listener: SecuredListener, more: Partial<SecuredCase>): SecuredCase => ({
    ...{ name, server: secured.server(listener), topic: SECURED_TOPIC },
    ...{ tls: listener !== "SASL_CLEAR", ...more },
  });
  const user = (mechanism: (typeof MECHANISMS)[number]): Partial<SecuredCase> => {
    const { username, password } = mechanism === "PLAIN" ? SECURED_USERS.plain : SECURED_USERS.scram;
    return { mechanism, username, password };
  };
  return [
    at("TLS", "TLS", { ca }),
    at("TLS with a certificate of the client", "MUTUAL", { ca, ...own }),
    ...MECHANISMS.map(name => at(`${name} over TLS`, "SASL_TLS", { ca, ...user(name) })),
    ...MECHANISMS.map(name => at(`${name} in clear text`, "SASL_CLEAR", user(name))),
    ...MECHANISMS.map(name =>
      at(`refused: a wrong password, ${name}`, "SASL_TLS", {
        ...{ ca, ...user(name), password: "wrong", refused: "credentials" },
      }),
    ),
    at("refused: a wrong password in clear text", "SASL_CLEAR", {
      ...{ ...user("PLAIN"), password: "wrong", refused: "credentials" },
    }),
    at("OAUTHBEARER over TLS", "SIGNED", { ca, ...bearer(secured.issuer.token("dave", TOKEN_S)) }),
    at("OAUTHBEARER in clear text", "SASL_CLEAR", bearer(secured.issuer.token("dave", TOKEN_S))),
    ...(["SIGNED", "SASL_CLEAR"] as const).flatMap(listener => {
      const where = listener === "SIGNED" ? "over TLS" : "in clear text";
      const trust = listener === "SIGNED" ? { ca } : {};
      const refusal = (what: string, token: string): SecuredCase =>
        at(`refused: ${what} ${where}`, listener, { ...trust, ...bearer(token), refused: "credentials" });
      return [
        refusal("an expired token", secured.issuer.token("dave", -TOKEN_S)),
        refusal("a token with another signature", otherSignature(secured.issuer.token("dave", TOKEN_S))),
      ];
    }),
    at("refused: an authority that is not trusted", "TLS", { refused: "tls" }),
    at("refused: no certificate of the client", "MUTUAL", { ca, refused: "tls" }),
  ];
}

/** Java's settings of a client that connects in this way, whose token is in `tokenFile`. */
export function javaProperties(way: SecuredCase, tokenFile?: string): string {
  const { tls, ca, keystore, mechanism, username, password } = way;
  if (tokenFile !== undefined) return javaTokenProperties(way, tokenFile);
  const module = mechanism === "PLAIN" ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
  const login = `org.apache.kafka.common.security.${module} required username="${username}" password="${password}";`;
  return [
    `security.protocol=${mechanism === undefined ? "SSL" : tls ? "SASL_SSL" : "SASL_PLAINTEXT"}`,
    ...(ca === undefined ? [] : ["ssl.truststore.type=PEM", `ssl.truststore.location=${ca}`]),
    ...(keystore === undefined ? [] : ["ssl.keystore.type=PEM", `ssl.keystore.location=${keystore}`]),
    ...(mechanism === undefined ? [] : [`sasl.mechanism=${mechanism}`, `sasl.jaas.config=${login}`]),
    "",
  ].join("\n");
}

/** Java's settings of a client that takes its token from a file. */
export function javaTokenProperties({ tls, ca }: SecuredCase, file: string): string {
  const bearer = "org.apache.kafka.common.security.oauthbearer";
  return [
    `security.protocol=${tls ? "SASL_SSL" : "SASL_PLAINTEXT"}`,
    ...(ca === undefined ? [] : ["ssl.truststore.type=PEM", `ssl.truststore.location=${ca}`]),
    ...["sasl.mechanism=OAUTHBEARER", `sasl.jaas.config=${bearer}.OAuthBearerLoginModule required;`],
    `sasl.login.callback.handler.class=${bearer}.OAuthBearerLoginCallbackHandler`,
    `sasl.oauthbearer.token.endpoint.url=file://${file}`,
    "",
  ].join("\n");
}
