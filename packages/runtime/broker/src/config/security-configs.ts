import { configSpecs } from "@samsa/base";
import { JWT_RETRIEVERS } from "@samsa/wire";

/** Class of the one authorizer that there is. */
export const STANDARD_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

const authorizerFault = (value: string): string | undefined =>
  value === "" || value === STANDARD_AUTHORIZER
    ? undefined
    : `there is no other authorizer than ${STANDARD_AUTHORIZER}`;

/** Principals in `super.users`, without empty ones. */
export function superUsers(text: string): readonly string[] {
  return text
    .split(";")
    .map(principal => principal.trim())
    .filter(principal => principal !== "");
}

const superUsersFault = (value: string): string | undefined =>
  superUsers(value).every(principal => /^[^:]+:./.test(principal))
    ? undefined
    : "principals have the form User:name, and a semicolon is between two of them";

/** Settings of the authorizer (`StandardAuthorizer`) and of authentication (`BrokerSecurityConfigs`). */
export const securityConfigs = configSpecs({
  "allow.everyone.if.no.acl.found": {
    type: "boolean",
    default: "false",
    doc: "Permits everyone to use a resource that no ACL is on.",
  },
  "authorizer.class.name": {
    type: "string",
    default: "",
    check: authorizerFault,
    doc: `Class that decides what clients may do: ${STANDARD_AUTHORIZER}, or none. Without one, everyone may do everything.`,
  },
  "connection.failed.authentication.delay.ms": {
    type: "int",
    default: "100",
    min: 0,
    doc: "Time that a client waits for the refusal of its credentials, in ms, so that guessing takes long.",
  },
  "connections.max.reauth.ms": {
    type: "long",
    default: "0",
    doc:
      "Time after which a client must authenticate again, in ms; 0: never. May be set for a mechanism of a listener, as " +
      "in listener.name.external.plain.connections.max.reauth.ms.",
  },
  "delegation.token.expiry.check.interval.ms": {
    type: "long",
    default: "3600000",
    min: 1,
    doc: "Time between two removals of delegation tokens that are over, in ms.",
  },
  "delegation.token.expiry.time.ms": {
    type: "long",
    default: "86400000",
    min: 1,
    doc: "Time after which a delegation token must be renewed, in ms.",
  },
  "delegation.token.max.lifetime.ms": {
    type: "long",
    default: "604800000",
    min: 1,
    doc: "Time after which a delegation token cannot be renewed, in ms.",
  },
  "delegation.token.secret.key": {
    type: "password",
    default: null,
    doc: "Secret from which the passwords of delegation tokens are made, the same on all nodes. Without it there are none.",
  },
  "sasl.enabled.mechanisms": {
    type: "list",
    update: "per-broker",
    default: "GSSAPI",
    doc:
      "SASL mechanisms of a listener: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER. GSSAPI, the default of " +
      "Kafka, is not available. May be set for a listener, as in listener.name.external.sasl.enabled.mechanisms.",
  },
  "sasl.jaas.config": {
    type: "password",
    update: "per-broker",
    default: null,
    doc:
      "Users of a mechanism of a listener, as in listener.name.external.plain.sasl.jaas.config=" +
      'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret"; without that prefix it has ' +
      "no effect on a broker.",
  },
  "sasl.mechanism.controller.protocol": {
    type: "string",
    default: "GSSAPI",
    doc: "SASL mechanism of connections to controllers: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.",
  },
  "sasl.mechanism.inter.broker.protocol": {
    type: "string",
    update: "per-broker",
    default: "GSSAPI",
    doc:
      "SASL mechanism of connections between brokers: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER. The name and " +
      "password are those of the sasl.jaas.config of this mechanism of the listener.",
  },
  "sasl.server.max.receive.size": {
    type: "int",
    default: "524288",
    doc: "Most bytes of a request of a client that has not authenticated.",
  },
  "super.users": {
    type: "string",
    default: "",
    check: superUsersFault,
    doc: "Principals that may do everything, separated by semicolons, as in User:admin;User:CN=node-1.",
  },
});

/** Settings of TLS (`SslConfigs`). Each may be set for a listener, as in listener.name.external.ssl.client.auth. */
export const tlsConfigs = configSpecs({
  "ssl.allow.dn.changes": {
    type: "boolean",
    default: "false",
    doc: "Allows a certificate of another subject for a listener that is open.",
  },
  "ssl.allow.san.changes": {
    type: "boolean",
    default: "false",
    doc: "Allows a certificate that lacks alternative names (SAN) of the former one for a listener that is open.",
  },
  "ssl.cipher.suites": {
    type: "list",
    update: "per-broker",
    default: "",
    doc: "Cipher suites of TLS; default: those of the host.",
  },
  "ssl.client.auth": {
    type: "string",
    update: "per-broker",
    default: "none",
    oneOf: ["required", "requested", "none"],
    doc: "Certificates of clients: none, requested (from those that have one) or required.",
  },
  "ssl.enabled.protocols": {
    type: "list",
    update: "per-broker",
    default: "TLSv1.2,TLSv1.3",
    doc: "Versions of TLS that are spoken.",
  },
  "ssl.endpoint.identification.algorithm": {
    type: "string",
    update: "per-broker",
    default: "https",
    doc: "Check of the host name in the certificates of other nodes; empty: none.",
  },
  "ssl.key.password": {
    type: "password",
    update: "per-broker",
    default: null,
    doc: "Password of the private key.",
  },
  "ssl.keystore.certificate.chain": {
    type: "password",
    update: "per-broker",
    default: null,
    doc: "Certificate with those of its issuers, as text in PEM.",
  },
  "ssl.keystore.key": {
    type: "password",
    update: "per-broker",
    default: null,
    doc: "Private key of the certificate, as text in PEM.",
  },
  "ssl.keystore.location": {
    type: "string",
    update: "per-broker",
    default: null,
    doc: "File with the certificate and its private key.",
  },
  "ssl.keystore.password": {
    type: "password",
    update: "per-broker",
    default: null,
    doc: "Password of a file in PKCS12 or JKS.",
  },
  "ssl.keystore.type": {
    type: "string",
    update: "per-broker",
    default: "JKS",
    doc: "PEM, PKCS12 or JKS.",
  },
  "ssl.principal.mapping.rules": {
    type: "string",
    default: "DEFAULT",
    doc: "Rules that map the name of a certificate to that of a user, as in RULE:^CN=(.*?),.*$/$1/L,DEFAULT.",
  },
  "ssl.protocol": {
    type: "string",
    update: "per-broker",
    default: "TLSv1.3",
    doc: "Highest version of TLS.",
  },
  "ssl.truststore.certificates": {
    type: "password",
    update: "per-broker",
    default: null,
    doc: "Certificates of trusted authorities, as text in PEM.",
  },
  "ssl.truststore.location": {
    type: "string",
    update: "per-broker",
    default: null,
    doc: "File with the certificates of trusted authorities.",
  },
  "ssl.truststore.password": {
    type: "password",
    update: "per-broker",
    default: null,
    doc: "Password of a file in PKCS12 or JKS.",
  },
  "ssl.truststore.type": {
    type: "string",
    update: "per-broker",
    default: "JKS",
    doc: "PEM, PKCS12 or JKS.",
  },
});

const BEARER = "org.apache.kafka.common.security.oauthbearer";
const PREFIX = "listener.name.external.oauthbearer.";

const oneOf =
  (available: readonly string[]) =>
  (value: string): string | undefined =>
    available.includes(value) ? undefined : `the classes that are available are ${available.join(", ")}`;
const VALIDATORS = ["Default", "Broker"].map(name => `${BEARER}.${name}JwtValidator`);

const classFault =
  (available: string) =>
  (value: string | null): string | undefined =>
    value === null || value === available || value === available.replace(BEARER, `${BEARER}.secured`)
      ? undefined
      : `the one class that is available is ${available}`;

/**
 * Settings of OAUTHBEARER (KIP-768, KIP-1258; `SaslConfigs`). Each may be set for a listener, as in
 * listener.name.external.oauthbearer.sasl.oauthbearer.jwks.endpoint.url.
 */
export const bearerConfigs = configSpecs({
  "sasl.login.callback.handler.class": {
    type: "class",
    default: null,
    check: classFault(`${BEARER}.OAuthBearerLoginCallbackHandler`),
    doc: "Class that gets the tokens of connections to other nodes; it is built in.",
  },
  "sasl.login.read.timeout.ms": {
    type: "int",
    default: null,
    doc: "Longest time of a request to the endpoint for tokens, in ms; default: 10 s.",
  },
  "sasl.login.refresh.buffer.seconds": {
    type: "short",
    update: "per-broker",
    default: "300",
    doc: "Time before the end of a token of this node at which it gets another one, in s.",
  },
  "sasl.login.refresh.min.period.seconds": {
    type: "short",
    update: "per-broker",
    default: "60",
    doc: "Shortest time for which this node uses a token that lasts longer, in s.",
  },
  "sasl.login.refresh.window.factor": {
    type: "double",
    update: "per-broker",
    default: "0.8",
    doc: "Part of the lifetime of a token of this node after which it gets another one.",
  },
  "sasl.login.refresh.window.jitter": {
    type: "double",
    update: "per-broker",
    default: "0.05",
    doc: "Largest part of the lifetime that chance adds to that.",
  },
  "sasl.login.retry.backoff.max.ms": {
    type: "long",
    default: "10000",
    doc: "Longest pause after a failure to get a token, in ms.",
  },
  "sasl.login.retry.backoff.ms": {
    type: "long",
    default: "100",
    doc: "First pause after a failure to get a token, in ms; it doubles each time.",
  },
  "sasl.oauthbearer.allow.unverified.audience": {
    type: "boolean",
    default: "false",
    doc: "Accepts tokens for whomever they are, if sasl.oauthbearer.expected.audience is not set.",
  },
  "sasl.oauthbearer.allow.unverified.issuer": {
    type: "boolean",
    default: "false",
    doc: "Accepts tokens of any issuer, if sasl.oauthbearer.expected.issuer is not set.",
  },
  "sasl.oauthbearer.assertion.algorithm": {
    type: "string",
    default: "RS256",
    oneOf: ["ES256", "RS256"],
    ignoreCase: true,
    doc: "Algorithm by which this node signs assertions.",
  },
  "sasl.oauthbearer.assertion.claim.aud": {
    type: "string",
    default: null,
    doc: "Audience of the assertions of this node (aud).",
  },
  "sasl.oauthbearer.assertion.claim.exp.seconds": {
    type: "int",
    default: "300",
    min: 0,
    max: 86_400,
    doc: "Time for which an assertion is valid, in s.",
  },
  "sasl.oauthbearer.assertion.claim.iss": {
    type: "string",
    default: null,
    doc: "Issuer of the assertions of this node (iss); with it, an assertion takes the place of the client's secret.",
  },
  "sasl.oauthbearer.assertion.claim.jti.include": {
    type: "boolean",
    default: "false",
    doc: "Gives each assertion an id (jti).",
  },
  "sasl.oauthbearer.assertion.claim.nbf.seconds": {
    type: "int",
    default: "60",
    min: 0,
    max: 3600,
    doc: "Time before its making from which an assertion is valid, in s.",
  },
  "sasl.oauthbearer.assertion.claim.sub": {
    type: "string",
    default: null,
    doc: "Subject of the assertions of this node (sub).",
  },
  "sasl.oauthbearer.assertion.file": {
    type: "string",
    default: null,
    doc: "File with an assertion that is signed already; it is read again for each token.",
  },
  "sasl.oauthbearer.assertion.private.key.file": {
    type: "string",
    default: null,
    doc: "File with the private key that signs the assertions of this node, in PEM; it is read again for each token.",
  },
  "sasl.oauthbearer.assertion.private.key.passphrase": {
    type: "password",
    default: null,
    doc: "Passphrase of that key.",
  },
  "sasl.oauthbearer.assertion.template.file": {
    type: "string",
    default: null,
    doc: "File with a JSON object whose header and payload have more values for assertions.",
  },
  "sasl.oauthbearer.client.credentials.client.id": {
    type: "string",
    default: null,
    doc: "Name of this node at the endpoint for tokens.",
  },
  "sasl.oauthbearer.client.credentials.client.secret": {
    type: "password",
    default: null,
    doc: "Secret of this node at the endpoint for tokens.",
  },
  "sasl.oauthbearer.clock.skew.seconds": {
    type: "int",
    default: "30",
    doc: "Greatest difference between the clocks of the issuer of tokens and of the broker, in s.",
  },
  "sasl.oauthbearer.expected.audience": {
    type: "list",
    default: "",
    doc: "Names of which a token has one as its audience (aud).",
  },
  "sasl.oauthbearer.expected.issuer": { type: "string", default: null, doc: "Issuer of the tokens (iss)." },
  "sasl.oauthbearer.jwks.endpoint.refresh.ms": {
    type: "long",
    default: "3600000",
    doc: "Time after which the keys of the issuer are fetched again, in ms.",
  },
  "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms": {
    type: "long",
    default: "10000",
    doc: "Time for which the keys of the issuer are asked for again after a failure, in ms.",
  },
  "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms": {
    type: "long",
    default: "100",
    doc: "First pause after a failure to fetch the keys of the issuer, in ms; it doubles each time.",
  },
  "sasl.oauthbearer.jwks.endpoint.url": {
    type: "string",
    default: null,
    doc: `Address of the public keys of the issuer (JWKS), with https, http or file, as in ${PREFIX}sasl.oauthbearer.jwks.endpoint.url.`,
  },
  "sasl.oauthbearer.jwt.retriever.class": {
    type: "class",
    default: `${BEARER}.DefaultJwtRetriever`,
    check: oneOf(JWT_RETRIEVERS),
    doc: "Class of Kafka by which this node gets tokens; with JwtBearerJwtRetriever, an assertion is exchanged for one.",
  },
  "sasl.oauthbearer.jwt.validator.class": {
    type: "class",
    default: `${BEARER}.DefaultJwtValidator`,
    check: oneOf(VALIDATORS),
    doc: "Class of Kafka that verifies the tokens of clients; it is built in.",
  },
  "sasl.oauthbearer.scope": { type: "string", default: null, doc: "Scope of the tokens of this node." },
  "sasl.oauthbearer.scope.claim.name": {
    type: "string",
    default: "scope",
    doc: "Name of the claim with the scopes of a token.",
  },
  "sasl.oauthbearer.sub.claim.name": {
    type: "string",
    default: "sub",
    doc: "Name of the claim with the name of the user.",
  },
  "sasl.oauthbearer.token.endpoint.url": {
    type: "string",
    default: null,
    doc: "Address from which this node gets tokens for its connections to other nodes, with https, http or file.",
  },
  "sasl.server.callback.handler.class": {
    type: "class",
    default: null,
    check: classFault(`${BEARER}.OAuthBearerValidatorCallbackHandler`),
    doc: "Class that verifies the tokens of clients; it is built in. Tokens without a signature are not accepted.",
  },
});
