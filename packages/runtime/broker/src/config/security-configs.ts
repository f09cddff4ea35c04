import { configSpecs } from "@samsa/base";

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
  "sasl.enabled.mechanisms": {
    type: "list",
    default: "GSSAPI",
    doc:
      "SASL mechanisms of a listener: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. GSSAPI, the default of Kafka, is not " +
      "available. May be set for a listener, as in listener.name.external.sasl.enabled.mechanisms.",
  },
  "sasl.jaas.config": {
    type: "password",
    default: null,
    doc:
      "Users of a mechanism of a listener, as in listener.name.external.plain.sasl.jaas.config=" +
      'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret"; without that prefix it has ' +
      "no effect on a broker.",
  },
  "sasl.mechanism.controller.protocol": {
    type: "string",
    default: "GSSAPI",
    doc: "SASL mechanism of connections to controllers: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.",
  },
  "sasl.mechanism.inter.broker.protocol": {
    type: "string",
    default: "GSSAPI",
    doc:
      "SASL mechanism of connections between brokers: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. The name and password are " +
      "those of the sasl.jaas.config of this mechanism of the listener.",
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
