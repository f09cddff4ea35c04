import { parseConfig, splitList } from "@samsa/base";
import { brokerConfigs, superUsers } from "@samsa/broker";
import { INTERNAL_FACTORS, QUORUM } from "../../cluster/cluster-plan.ts";
import { type Exposure, isWildcard, listenerText } from "../exposure.ts";
import type { Finding } from "./finding.ts";

/** Replicas of topics, and how many of them acknowledge a record. */
const ACKNOWLEDGEMENTS = [
  ["default.replication.factor", "min.insync.replicas"],
  ["transaction.state.log.replication.factor", "transaction.state.log.min.isr"],
  ["share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"],
] as const;
/** Replicas that bear the loss of one broker while the others go on. */
const ENOUGH_REPLICAS = 3;
/** Fewest characters of a secret that nobody guesses. */
const SECRET_LENGTH = 32;

/** Listener that other machines reach without proof of who they are, or in clear text. */
function listenerFindings(exposure: Exposure): Finding[] {
  const { host, protocol, isLoopback, isAuthenticated, isEncrypted } = exposure;
  if (protocol === undefined || isLoopback || (isAuthenticated && isEncrypted)) return [];
  const subject = `listener ${listenerText(exposure)}${isWildcard(host) ? " (all interfaces)" : ""}`;
  const map = "in listener.security.protocol.map";
  if (isAuthenticated) {
    const fault = `sends records and logins over the network in clear text (${protocol})`;
    return [{ severity: "high", subject, fault, remedy: `give it SASL_SSL ${map}` }];
  }
  if (isEncrypted) {
    const remedy = `set ssl.client.auth=required for it, or give it SASL_SSL ${map}`;
    return [{ severity: "high", subject, fault: "lets everyone in without a name (SSL)", remedy }];
  }
  const fault = `lets everyone in without a name, in clear text (${protocol})`;
  const remedy = `give it SASL_SSL ${map}, or the host localhost; samsa security init makes such settings`;
  return [{ severity: "high", subject, fault, remedy }];
}

function authorizerFindings(settings: ReadonlyMap<string, string>, exposures: readonly Exposure[]): Finding[] {
  if ((settings.get("authorizer.class.name") ?? "") === "") {
    const isLocal = exposures.every(({ isLoopback }) => isLoopback);
    const fault = `there is no authorizer: who connects${isLocal ? ", from this machine," : ""} may do everything`;
    const remedy = "set it to org.apache.kafka.metadata.authorizer.StandardAuthorizer, with super.users";
    return [{ severity: isLocal ? "low" : "high", subject: "authorizer.class.name", fault, remedy }];
  }
  const found: Finding[] = [];
  const remedy = "remove it, after samsa acl add for those who need it";
  if (settings.get("allow.everyone.if.no.acl.found")?.toLowerCase() === "true") {
    const fault = "everyone may do everything with what has no ACL";
    found.push({ severity: "high", subject: "allow.everyone.if.no.acl.found", fault, remedy });
  }
  if (superUsers(settings.get("super.users") ?? "").includes("User:ANONYMOUS")) {
    const fault = "has User:ANONYMOUS: who does not authenticate may do everything";
    found.push({ severity: "high", subject: "super.users", fault, remedy });
  }
  return found;
}

function tokenFindings(settings: ReadonlyMap<string, string>): Finding[] {
  const subject = "delegation.token.secret.key";
  const secret = settings.get(subject) ?? "";
  if (secret === "" || secret.length >= SECRET_LENGTH) return [];
  const fault = `has ${secret.length} characters: who has a token can guess it and make others`;
  return [{ severity: "high", subject, fault, remedy: `use ${SECRET_LENGTH} random characters on all nodes` }];
}

/** Finds settings by which a broker that is lost takes records with it. */
function replicationFindings(settings: ReadonlyMap<string, string>, hasPeers: boolean): Finding[] {
  const config = parseConfig(brokerConfigs, name => settings.get(name));
  const lonely = hasPeers ? INTERNAL_FACTORS.filter(name => config[name] === 1) : [];
  const hasty = ACKNOWLEDGEMENTS.filter(([factor, least]) => config[factor] >= ENOUGH_REPLICAS && config[least] === 1);
  return [
    ...lonely.map((subject): Finding => {
      const fault = "is 1 in a cluster of several nodes: what one broker loses is gone";
      return { severity: "medium", subject, fault, remedy: `set it to ${ENOUGH_REPLICAS}` };
    }),
    ...hasty.map(([factor, subject]): Finding => {
      const fault = `is 1 with a ${factor} of ${config[factor]}: a record that one broker has counts as acknowledged`;
      return { severity: "medium", subject, fault, remedy: "set it to 2" };
    }),
  ];
}

/** True if settings name several controllers. */
export function namesPeers(settings: ReadonlyMap<string, string>): boolean {
  return QUORUM.some(name => splitList(settings.get(name) ?? "").length > 1);
}

/** Finds what the settings of a node leave open; `hasPeers`: there are other nodes. Throws `ConfigError`. */
export function settingFindings(
  settings: ReadonlyMap<string, string>,
  { exposures, hasPeers }: { readonly exposures: readonly Exposure[]; readonly hasPeers: boolean },
): Finding[] {
  return [
    ...exposures.flatMap(listenerFindings),
    ...authorizerFindings(settings, exposures),
    ...tokenFindings(settings),
    ...replicationFindings(settings, hasPeers),
  ];
}
