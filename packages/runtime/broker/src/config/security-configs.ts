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

/** Settings of the authorizer (`StandardAuthorizer`). */
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
  "super.users": {
    type: "string",
    default: "",
    check: superUsersFault,
    doc: "Principals that may do everything, separated by semicolons, as in User:admin;User:CN=node-1.",
  },
});
