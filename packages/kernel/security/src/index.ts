export {
  type Acl,
  type AclFilter,
  type AclOperation,
  CLUSTER_NAME,
  codeName,
  matchesFilter,
  OPERATION_CODES,
  operationBits,
  type OperationOn,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  type ResourceType,
  RESOURCE_TYPE_CODES,
  SUPPORTED_OPERATIONS,
} from "./acl.ts";
export { auditText } from "./audit.ts";
export {
  type Action,
  ALLOW_ALL,
  type Audit,
  type Authorizer,
  AuthorizerNotReadyError,
  type AuthorizerOptions,
  type Client,
  type Judgement,
  StandardAuthorizer,
} from "./authorizer.ts";
export { alternativeNames } from "./alternative-names.ts";
export { parseHostRange } from "./hosts.ts";
export { subjectName } from "./distinguished-name.ts";
export { PrincipalRules } from "./principal-rules.ts";
