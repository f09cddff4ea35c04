import { fromBase64, nearestNumber, toBase64 } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import type { Admin, DelegationToken, Principal } from "@samsa/client-runtime";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { dateFormat } from "../../java/date-format.ts";
import { javaMessage, javaText, wrappedText } from "../../java/errors.ts";
import { ILLEGAL_ARGUMENT, ToolError, UsageError } from "../../java/exits.ts";
import { columns } from "../../java/text.ts";
import { loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, thrownText } from "../../runner/jopt-tool.ts";

const PERIOD = { type: "long", isOptional: true } as const;

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("String", "Brokers, as host1:port1,host2:port2."),
  "command-config": option("String", "File with settings of the client, which log it in."),
  create: toggle("Create a token."),
  renew: toggle("Renew a token."),
  expire: toggle("Let a token expire."),
  describe: toggle("Describe the tokens of owners and renewers, or all that may be seen."),
  "owner-principal": option("String", "Owner of the tokens, as User:name. May be repeated.", { isOptional: true }),
  "renewer-principal": option("String", "Who may renew the token, as User:name. May be repeated.", {
    isOptional: true,
  }),
  "max-life-time-period": option("Long", "Life of the token in ms; -1: as long as the brokers allow.", PERIOD),
  "renew-time-period": option("Long", "Time until the next renewal in ms; -1: as long as the brokers allow.", PERIOD),
  "expiry-time-period": option("Long", "Time after which the token expires in ms; -1: at once.", PERIOD),
  hmac: option("String", "HMAC of the token, in base64.", { isOptional: true }),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;
type Act = (admin: Admin, chosen: Chosen<Name>) => Promise<void>;

const ACTIONS = ["create", "renew", "expire", "describe"] as const;
const WIDTHS = [15, 30, 15, 15, 25, 15, 15, 15];
const HEADS = ["TOKENID", "HMAC", "OWNER", "REQUESTER", "RENEWERS", "ISSUEDATE", "EXPIRYDATE", "MAXDATE"];
const date = dateFormat("yyyy-MM-dd'T'HH:mm");

const principalText = ({ type, name }: Principal): string => `${type}:${name}`;
const listText = (principals: readonly Principal[]): string => `[${principals.map(principalText).join(", ")}]`;
const line = (cells: readonly string[]): string => `\n${columns(WIDTHS, cells)}\n`;

function principalsOf(chosen: Chosen<Name>, flag: "owner-principal" | "renewer-principal"): Principal[] {
  return chosen.texts(flag).map(text => {
    const [, type, name] = /^([^:]*):(.*)$/s.exec(text.trim()) ?? [];
    if (type !== undefined && name !== undefined) return { type, name };
    throw new ToolError(
      `expected a string in format principalType:principalName but got ${text.trim()}`,
      ILLEGAL_ARGUMENT,
    );
  });
}

function hmacOf(chosen: Chosen<Name>): { readonly text: string; readonly hmac: Uint8Array } {
  const text = chosen.text("hmac") ?? "";
  const hmac = fromBase64(text);
  if (hmac === undefined) throw new ToolError("Illegal base64 character", ILLEGAL_ARGUMENT);
  return { text, hmac };
}

function print(tokens: readonly DelegationToken[]): void {
  const rows = tokens.map(token => [
    ...[token.tokenId, toBase64(token.hmac), principalText(token.owner), principalText(token.requester)],
    listText(token.renewers),
    ...[token.issuedAt, token.expiresAt, token.maxTimestamp].map(time => date(nearestNumber(time))),
  ]);
  process.stdout.write([HEADS, ...rows].map(line).join(""));
}

const create: Act = async (admin, chosen) => {
  const renewers = principalsOf(chosen, "renewer-principal");
  const maxLifetimeMs = chosen.number("max-life-time-period") ?? -1;
  console.log(
    `Calling create token operation with renewers :${listText(renewers)} , max-life-time-period :${maxLifetimeMs}`,
  );
  const [owner] = principalsOf(chosen, "owner-principal");
  const wish = { renewers, maxLifetimeMs, ...(owner === undefined ? {} : { owner }) };
  const token = await admin.access.createToken(wish);
  console.log(`Created delegation token with tokenId : ${token.tokenId}`);
  print([token]);
};

const renew: Act = async (admin, chosen) => {
  const { text, hmac } = hmacOf(chosen);
  const period = chosen.number("renew-time-period") ?? -1;
  console.log(`Calling renew token operation with hmac :${text} , renew-time-period :${period}`);
  const until = await admin.access.renewToken(hmac, period);
  process.stdout.write(`Completed renew operation. New expiry date : ${date(nearestNumber(until))}`);
};

const expire: Act = async (admin, chosen) => {
  const { text, hmac } = hmacOf(chosen);
  const period = chosen.number("expiry-time-period") ?? -1;
  console.log(`Calling expire token operation with hmac :${text} , expire-time-period :${period}`);
  const until = await admin.access.expireToken(hmac, period);
  process.stdout.write(`Completed expire operation. New expiry date : ${date(nearestNumber(until))}`);
};

const describe: Act = async (admin, chosen) => {
  const owners = principalsOf(chosen, "owner-principal");
  console.log(
    owners.length === 0
      ? "Calling describe token operation for current user."
      : `Calling describe token operation for owners: ${listText(owners)}`,
  );
  const tokens = await admin.access.describeTokens(owners.length === 0 ? "all" : owners);
  process.stdout.write(`Total number of tokens : ${tokens.length}`);
  print(tokens);
};

const ACTS: Readonly<Record<(typeof ACTIONS)[number], Act>> = { create, renew, expire, describe };

function check(chosen: Chosen<Name>): (typeof ACTIONS)[number] {
  const given = ACTIONS.filter(name => chosen.has(name));
  const [action] = given;
  if (action === undefined || given.length > 1) {
    throw new UsageError("Command must include exactly one action: --create, --renew, --expire or --describe");
  }
  chosen.require("bootstrap-server", "command-config");
  if (action === "create") chosen.require("max-life-time-period");
  if (action === "renew") chosen.require("hmac", "renew-time-period");
  if (action === "expire") chosen.require("hmac", "expiry-time-period");
  chosen.exclude("create", ["hmac", "renew-time-period", "expiry-time-period"]);
  chosen.exclude("renew", ["renewer-principal", "max-life-time-period", "expiry-time-period", "owner-principal"]);
  chosen.exclude("expire", ["renew", "max-life-time-period", "renew-time-period", "owner-principal"]);
  chosen.exclude("describe", ["renew-time-period", "max-life-time-period", "hmac", "expiry-time-period"]);
  return action;
}

/** Prints a failure as the tool does that catches everything. */
function failed(error: unknown): number {
  console.error(
    error instanceof KafkaError
      ? `${javaText(error)}\n${wrappedText(error)}`
      : `${javaMessage(error)}\n${thrownText(error)}`,
  );
  return 1;
}

/** kafka-delegation-tokens (`DelegationTokenCommand`). */
export const kafkaDelegationTokens = joptTool<Name>({
  about: "Creates, renews, ends and shows delegation tokens.",
  flags: FLAGS,
  mistakes: "failed",
  run: async chosen => {
    const action = check(chosen);
    const properties = loadProperties(chosen.text("command-config"));
    await withAdmin(chosen.text("bootstrap-server"), properties, admin => ACTS[action](admin, chosen));
    return 0;
  },
  failed,
});
