import { ConfigError, MalformedError, parseConfig } from "@samsa/base";
import { type ClaimRules, identityOf, type Verification } from "@samsa/sasl";
import { jaasTls } from "@samsa/wire";
import { listenerSetting } from "../config/listeners.ts";
import { bearerConfigs } from "../config/security-configs.ts";
import type { IssuerKeys, IssuerKeysOptions } from "./issuer-keys.ts";
import { jaasOptions } from "./jaas-setting.ts";

/** OAUTHBEARER of a listener. */
export interface BearerListener {
  readonly issuer: IssuerKeysOptions;
  readonly rules: ClaimRules;
}

const PERIODS = [
  "sasl.oauthbearer.jwks.endpoint.refresh.ms",
  "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
  "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
] as const;
const CLAIMS = ["sasl.oauthbearer.scope.claim.name", "sasl.oauthbearer.sub.claim.name"] as const;
const ADDRESS = /^(?:https?:\/\/|file:)./;

/** Reads the settings of a listener about tokens (`OAuthBearerValidatorCallbackHandler`). Throws `ConfigError`. */
export function bearerListener(given: ReadonlyMap<string, string>, listener: string): BearerListener {
  const lookup = (name: string): string | undefined => listenerSetting(given, listener, name, "OAUTHBEARER");
  const config = parseConfig(bearerConfigs, lookup);
  const prefix = `listener.name.${listener.toLowerCase()}.oauthbearer.`;
  const need = (name: string, why: string): never => {
    throw ConfigError.worded(prefix + name, `OAUTHBEARER needs ${prefix}${name}: ${why}`);
  };
  const url = config["sasl.oauthbearer.jwks.endpoint.url"] ?? "";
  if (url === "") {
    return need("sasl.oauthbearer.jwks.endpoint.url", "the keys by which the signatures of tokens are verified");
  }
  if (!ADDRESS.test(url)) {
    throw new ConfigError(
      `${prefix}sasl.oauthbearer.jwks.endpoint.url`,
      url,
      "an address begins with https, http or file",
    );
  }
  const audiences = config["sasl.oauthbearer.expected.audience"];
  const issuer = config["sasl.oauthbearer.expected.issuer"] ?? undefined;
  const waiver = "set %s to true to accept the tokens of all";
  if (audiences.length === 0 && !config["sasl.oauthbearer.allow.unverified.audience"]) {
    const otherwise = waiver.replace("%s", "sasl.oauthbearer.allow.unverified.audience");
    return need(
      "sasl.oauthbearer.expected.audience",
      `tokens for other services are not for this one; or ${otherwise}`,
    );
  }
  if (issuer === undefined && !config["sasl.oauthbearer.allow.unverified.issuer"]) {
    const otherwise = waiver.replace("%s", "sasl.oauthbearer.allow.unverified.issuer");
    return need("sasl.oauthbearer.expected.issuer", `a token says who has issued it; or ${otherwise}`);
  }
  for (const name of PERIODS) {
    if (config[name] <= 0) throw new ConfigError(prefix + name, String(config[name]), "a time is more than 0 ms");
  }
  for (const name of CLAIMS) {
    if (config[name].trim() === "") throw new ConfigError(prefix + name, config[name], "a claim has a name");
  }
  return {
    issuer: {
      url,
      refreshMs: config["sasl.oauthbearer.jwks.endpoint.refresh.ms"],
      backoffMs: config["sasl.oauthbearer.jwks.endpoint.retry.backoff.ms"],
      backoffMaxMs: config["sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms"],
      tls: issuerTls(given, listener),
    },
    rules: {
      audiences,
      issuer,
      skewMs: config["sasl.oauthbearer.clock.skew.seconds"] * 1000,
      scopeClaim: config["sasl.oauthbearer.scope.claim.name"].trim(),
      userClaim: config["sasl.oauthbearer.sub.claim.name"].trim(),
    },
  };
}

/** TLS towards the issuer of keys. */
function issuerTls(given: ReadonlyMap<string, string>, listener: string): IssuerKeysOptions["tls"] {
  const options = jaasOptions({ given, listener, mechanism: "OAUTHBEARER" });
  if (options === undefined) return undefined;
  try {
    return jaasTls(options);
  } catch (error) {
    if (error instanceof MalformedError) throw ConfigError.worded("sasl.jaas.config", error.message);
    throw error;
  }
}

/** Verifies a token at the time `now`, in ms since the epoch. A client is told no more than that it is invalid. */
export async function verifyToken(
  token: string,
  { rules, keys }: { readonly rules: ClaimRules; readonly keys: Pick<IssuerKeys, "verify"> },
  now: () => number,
): Promise<Verification> {
  const signed = await keys.verify(token);
  const found = "fault" in signed ? signed : identityOf(signed.payload, rules, now());
  return "fault" in found ? { refused: "invalid_token", reason: `the token: ${found.fault}` } : found;
}
