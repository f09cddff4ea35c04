import type { ApiName } from "@samsa/protocol";
import { describedConfigs } from "../metadata/described-configs.ts";
import { EACH_DESCRIBED_CONFIG } from "../request/config-permissions.ts";
import { saslAuthenticate, saslHandshake } from "../request/sasl.ts";
import { describeAclsOf } from "../request/acls.ts";
import { type AnswerableApi, apiRow, type Columns, DESCRIBE_CLUSTER } from "../request/api-row.ts";
import type { Handler } from "../request/handler.ts";
import type { ControllerContext, ControllerParts, ControllerRow } from "./controller-row.ts";

type Served<N extends ApiName> = Handler<N, ControllerParts, ControllerContext>;

function row<N extends AnswerableApi>(name: N, handler: Served<NoInfer<N>>, columns: Columns<N> = {}): ControllerRow {
  return apiRow<N, ControllerParts, ControllerContext>(name, handler, columns);
}

/** DescribeConfigs of this controller, of topics and of the cluster (KIP-919). */
const describeConfigs: Served<"DescribeConfigs"> = ({ env, nodeId, settings, image }, request, _context, reply) => {
  reply(describedConfigs({ nodeId, settings, image: image(), levels: env.logger.levels }, request));
};

const describeAcls: Served<"DescribeAcls"> = ({ config, image }, request, context, reply) => {
  describeAclsOf({ image: image(), config }, request, context, reply);
};

/**
 * APIs for clients of controllers that the controller does not decide on. DescribeDelegationToken and
 * DescribeUserScramCredentials are among Kafka's schemas for controllers, but `ControllerApis` answers neither.
 */
export const CLIENT_APIS: readonly ControllerRow[] = [
  row("DescribeConfigs", describeConfigs, EACH_DESCRIBED_CONFIG),
  row("DescribeAcls", describeAcls, DESCRIBE_CLUSTER),
  row("SaslHandshake", saslHandshake),
  row("SaslAuthenticate", saslAuthenticate),
];
