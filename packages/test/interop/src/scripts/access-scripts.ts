import { asks, plain, type Script, STACK, TOOLS } from "./script-case.ts";

/** Order of operations that Java's sets give out. */
const VALID = /(?<=only supports operations \[).*(?=\])/;
/** Entries in any order; Kafka puts a space before the first of some lists. */
const ANY_ORDER = { isUnordered: true, varies: /^ ?(?=\t)/gm } as const;
const ALLOW = "--allow-principal User:a{who}";

const acls: Script = {
  name: "kafka-acls",
  main: `${TOOLS}.AclCommand`,
  cases: [
    asks("add", `--add ${ALLOW} --operation Read --topic t{who}`),
    asks("add again", `--add ${ALLOW} --operation read --topic t{who}`),
    asks("add a denial of addresses", "--add --deny-principal User:b --deny-host 10.0.0.1 --group g{who}"),
    asks("add a prefix", `--add ${ALLOW} --operation DescribeConfigs --topic t{who} --resource-pattern-type PREFIXED`),
    asks("add for a producer", `--add ${ALLOW} --producer --topic p{who} --transactional-id x{who}`, ANY_ORDER),
    asks("add for an idempotent producer", `--add ${ALLOW} --producer --idempotent --topic i{who}`, ANY_ORDER),
    asks("add for a consumer", `--add ${ALLOW} --consumer --topic c{who} --group c{who}`, ANY_ORDER),
    asks("add for both", `--add ${ALLOW} --producer --consumer --topic b{who} --group b{who}`, ANY_ORDER),
    asks("add to a user", `--add ${ALLOW} --operation CreateTokens --user-principal User:{who}`),
    asks("add to a token", `--add ${ALLOW} --operation Describe --delegation-token d{who}`),
    asks("list a topic", "--list --topic t{who}"),
    asks("list what applies to a topic", "--list --topic t{who}x --resource-pattern-type match", ANY_ORDER),
    asks("list any pattern", "--list --topic t{who} --resource-pattern-type any", ANY_ORDER),
    asks("list by principals", "--list --principal User:a{who} --principal User:no --topic c{who}", ANY_ORDER),
    asks("list what is not there", "--list --topic nowhere"),
    asks("remove one", `--remove --force ${ALLOW} --operation Read --topic t{who}`),
    asks("remove what applies", "--remove --force --topic t{who}x --resource-pattern-type match"),
    asks("remove for a consumer", `--remove --force ${ALLOW} --consumer --topic c{who} --group c{who}`),
    asks("list after that", "--list --topic c{who} --topic t{who} --group c{who}"),
    asks("add for no topic", `--add ${ALLOW} --producer`),
    asks("add for no group", `--add ${ALLOW} --consumer --topic x`),
    asks("add for nobody", "--add --topic x"),
    asks("add to nothing", `--add ${ALLOW}`),
    asks("add any pattern", `--add ${ALLOW} --topic x --resource-pattern-type any`),
    asks("add an operation that the type has not", `--add ${ALLOW} --group x --operation Write`, { varies: VALID }),
    asks("add an operation that is none", `--add ${ALLOW} --topic x --operation Fly`, { varies: VALID }),
    asks("add a principal that is none", "--add --allow-principal ann --topic x", { varies: STACK }),
    asks("add a range that is none", `--add ${ALLOW} --allow-host 1.2.3.4/99 --topic x`, {
      varies: STACK,
      isVague: true,
    }),
    asks("list a pattern that is none", "--list --topic x --resource-pattern-type x", { varies: STACK }),
    asks("idempotence of nobody", `--add ${ALLOW} --idempotent --topic x`),
    asks("principals of an addition", "--add --principal User:a --topic x"),
    asks("a producer with an operation", `--add ${ALLOW} --producer --topic x --operation Read`),
    asks("a list with principals", `--list ${ALLOW}`),
    asks("two actions", "--list --add"),
    asks("no action", "--topic x"),
    plain("no server", "--list"),
    plain("two kinds of servers", "--bootstrap-server {server} --bootstrap-controller {server} --list"),
    plain("no arguments", "", { isVague: true }),
    asks("an unknown option", "--nope"),
    asks("a file of settings that is not there", "--list --command-config /no/such/file", { varies: STACK }),
  ],
};

/** Settings of a client, and a broker in clear text, which makes no tokens. */
const TOKENS = "--command-config {file}";

const tokens: Script = {
  name: "kafka-delegation-tokens",
  main: `${TOOLS}.DelegationTokenCommand`,
  cases: [
    ["create", "--create --max-life-time-period -1"],
    ["create for others", "--create --max-life-time-period 5 --renewer-principal User:a --owner-principal User:b"],
    ["renew", "--renew --hmac abcd --renew-time-period -1"],
    ["expire", "--expire --hmac abcd --expiry-time-period 7"],
    ["describe", "--describe"],
    ["describe those of others", "--describe --owner-principal User:a --owner-principal User:b"],
    ["a principal that is none", "--create --max-life-time-period -1 --renewer-principal ann"],
    ["a period that is none", "--create --max-life-time-period long"],
    ["no period", "--create"],
    ["no HMAC", "--renew --renew-time-period 1"],
    ["a HMAC of a new token", "--create --max-life-time-period 1 --hmac abcd"],
    ["two actions", "--create --describe"],
    ["no action", "--hmac abcd"],
  ]
    .map(([name = "", args = ""]) => asks(name, `${TOKENS} ${args}`, { file: "client.id=tokens\n", varies: STACK }))
    .concat([
      asks("no settings", "--describe"),
      plain("no server", "--describe"),
      plain("no arguments", "", { isVague: true }),
      asks("an unknown option", "--nope", { varies: STACK }),
    ]),
};

/** Scripts about access control. */
export const ACCESS_SCRIPTS: readonly Script[] = [acls, tokens];
