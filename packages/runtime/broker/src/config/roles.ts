import { ConfigError } from "@samsa/base";
import type { BrokerConfig } from "./configs.ts";
import { quorumVoters } from "./listeners.ts";

/**
 * Throws `ConfigError` unless the roles of the node fit the settings of its quorum (`KafkaConfig.validateValues`). In
 * contrast to Kafka, a node with both roles needs neither voters nor bootstrap servers: it is a cluster of its own.
 */
export function checkRoles(config: BrokerConfig): void {
  const roles = config["process.roles"];
  const isBroker = roles.includes("broker");
  const isController = roles.includes("controller");
  const ids = quorumVoters(config).map(({ id }) => id);
  const isFound = ids.length > 0 || config["controller.quorum.bootstrap.servers"].length > 0;
  if (!isFound && !(isBroker && isController)) {
    const why =
      "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap " +
      "controllers or controller.quorum.voters must contain a parseable set of controllers.";
    throw ConfigError.worded("controller.quorum.bootstrap.servers", why);
  }
  if (config["controller.quorum.auto.join.enable"] && !isController) {
    const why =
      "requirement failed: controller.quorum.auto.join.enable is only supported when process.roles contains the " +
      "'controller' role.";
    throw ConfigError.worded("controller.quorum.auto.join.enable", why);
  }
  const nodeId = config["node.id"];
  const isVoter = ids.includes(nodeId);
  if (!isController && isVoter) {
    const why =
      `requirement failed: If process.roles contains just the 'broker' role, the node id ${nodeId} must not be ` +
      `included in the set of voters controller.quorum.voters=Set(${ids.join(", ")})`;
    throw ConfigError.worded("process.roles", why);
  }
  if (isController && ids.length > 0 && !isVoter) {
    const why =
      `requirement failed: If process.roles contains the 'controller' role, the node id ${nodeId} must be included ` +
      `in the set of voters controller.quorum.voters=Set(${ids.join(", ")})`;
    throw ConfigError.worded("process.roles", why);
  }
}
