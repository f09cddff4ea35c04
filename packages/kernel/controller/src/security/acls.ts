import type { Uuid } from "@samsa/base";
import { aclKey, METADATA_RELEASES, METADATA_VERSION, type MetadataImage, metadataVersionOf } from "@samsa/metadata";
import {
  type AccessControlEntryRecord,
  type CreateAclsRequest,
  type CreateAclsResponse,
  type DeleteAclsRequest,
  type DeleteAclsResponse,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import {
  type Acl,
  CLUSTER_NAME,
  codeName,
  matchesFilter,
  OPERATION_CODES,
  parseHostRange,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  RESOURCE_TYPE_CODES,
} from "@samsa/security";
import { type Decision, type DecisionContext, MAX_RECORDS, type Refusal, refusal } from "../decision/decision.ts";

type Creation = CreateAclsRequest["creations"][number];
/** Filter of a request: null and ANY match everything. */
type Filter = DeleteAclsRequest["filters"][number];
type FilterResult = DeleteAclsResponse["filterResults"][number];

function aclOf({ resourcePatternType, ...creation }: Creation): Acl {
  return { ...creation, patternType: resourcePatternType };
}

const isConcrete = (name: string): boolean => name !== "UNKNOWN" && name !== "ANY";

function hostFault(host: string, image: MetadataImage): Refusal | undefined {
  if (host === "") return refusal("INVALID_REQUEST", "Host pattern cannot be null or empty");
  if (!host.includes("/")) return undefined;
  if (metadataVersionOf(image) < METADATA_VERSION.hostRanges) {
    const release = METADATA_RELEASES[METADATA_VERSION.hostRanges - METADATA_VERSION.minimum];
    const rule = `CIDR-based ACL host patterns require metadata version ${release} or higher.`;
    return refusal("UNSUPPORTED_VERSION", rule);
  }
  if (parseHostRange(host) !== undefined) return undefined;
  return refusal("INVALID_REQUEST", `Invalid CIDR notation '${host}': Could not parse [${host}]`);
}

/** Fault of a new ACL (`AclApis.handleCreateAcls`, `AclControlManager.validateNewAcl`). */
function aclFault(acl: Acl, image: MetadataImage): Refusal | undefined {
  const { CLUSTER } = RESOURCE_TYPE_CODES;
  const { resourceType, resourceName, patternType, principal, operation, permissionType } = acl;
  if (resourceType === CLUSTER && resourceName !== CLUSTER_NAME) {
    return refusal("INVALID_REQUEST", `The only valid name for the CLUSTER resource is ${CLUSTER_NAME}`);
  }
  if (resourceName === "") return refusal("INVALID_REQUEST", "Invalid empty resource name");
  const type = codeName(RESOURCE_TYPE_CODES, resourceType);
  if (!isConcrete(type)) return refusal("INVALID_REQUEST", `Invalid resourceType ${type}`);
  const pattern = codeName(PATTERN_TYPE_CODES, patternType);
  if (!isConcrete(pattern) || pattern === "MATCH") return refusal("INVALID_REQUEST", `Invalid patternType ${pattern}`);
  const action = codeName(OPERATION_CODES, operation);
  if (!isConcrete(action)) return refusal("INVALID_REQUEST", `Invalid operation ${action}`);
  const permission = codeName(PERMISSION_CODES, permissionType);
  if (!isConcrete(permission)) return refusal("INVALID_REQUEST", `Invalid permissionType ${permission}`);
  if (!principal.includes(":")) {
    const why = "(no colon is present separating the principal type from the principal name)";
    return refusal("INVALID_REQUEST", `Could not parse principal from \`${principal}\` ${why}`);
  }
  return hostFault(acl.host, image);
}

const TOO_LARGE = "Unable to perform excessively large batch operation.";

/** CreateAcls (`AclControlManager.createAcls`): those that exist already are no error, and are not written again. */
export function createAcls(
  { image, draw }: DecisionContext,
  { creations }: CreateAclsRequest,
): Decision<CreateAclsResponse> {
  const added = new Set<string>();
  const records: MetadataRecord[] = [];
  const results = creations.map(creation => {
    const acl = aclOf(creation);
    const fault = aclFault(acl, image);
    if (fault !== undefined) return fault;
    const key = aclKey(acl);
    if (!image.aclIds.has(key) && !added.has(key)) {
      added.add(key);
      records.push(metadataRecord("AccessControlEntryRecord", 0, { ...acl, id: draw.uuid() }));
    }
    // Kafka leaves the message out, whose default is empty.
    return { errorCode: 0, errorMessage: "" };
  });
  if (records.length <= MAX_RECORDS) return { records, reply: { throttleTimeMs: 0, results } };
  const refused = refusal("POLICY_VIOLATION", TOO_LARGE);
  return { records: [], reply: { throttleTimeMs: 0, results: creations.map(() => refused) } };
}

function filterFault({
  resourceTypeFilter,
  patternTypeFilter,
  operation,
  permissionType,
}: Filter): Refusal | undefined {
  const isUnknown = (codes: Parameters<typeof codeName>[0], code: number): boolean =>
    codeName(codes, code) === "UNKNOWN";
  if (isUnknown(RESOURCE_TYPE_CODES, resourceTypeFilter) || isUnknown(PATTERN_TYPE_CODES, patternTypeFilter)) {
    return refusal("INVALID_REQUEST", "Unknown patternFilter.");
  }
  if (isUnknown(OPERATION_CODES, operation) || isUnknown(PERMISSION_CODES, permissionType)) {
    return refusal("INVALID_REQUEST", "Unknown entryFilter.");
  }
  return undefined;
}

/** ACLs of the metadata that the filter of a request selects. */
export function selectedAcls({ acls }: MetadataImage, filter: Filter): AccessControlEntryRecord[] {
  const { resourceTypeFilter, resourceNameFilter, patternTypeFilter, principalFilter, hostFilter, ...rest } = filter;
  const wanted = {
    resourceType: resourceTypeFilter,
    resourceName: resourceNameFilter,
    patternType: patternTypeFilter,
    principal: principalFilter,
    host: hostFilter,
    operation: rest.operation,
    permissionType: rest.permissionType,
  };
  return [...acls.values()].filter(acl => matchesFilter(wanted, acl));
}

/** DeleteAcls (`AclControlManager.deleteAcls`): deletes what any of the filters selects. */
export function deleteAcls({ image }: DecisionContext, { filters }: DeleteAclsRequest): Decision<DeleteAclsResponse> {
  const deleted = new Set<Uuid>();
  const filterResults = filters.map((filter): FilterResult => {
    const fault = filterFault(filter);
    if (fault !== undefined) return { ...fault, matchingAcls: [] };
    const matchingAcls = selectedAcls(image, filter).map(({ id, unknownTags: _tags, ...acl }) => {
      deleted.add(id);
      return { errorCode: 0, errorMessage: null, ...acl };
    });
    return { errorCode: 0, errorMessage: null, matchingAcls };
  });
  if (deleted.size > MAX_RECORDS) {
    const rule = `Cannot remove more than ${MAX_RECORDS} acls in a single delete operation.`;
    const refused = { ...refusal("INVALID_REQUEST", rule), matchingAcls: [] };
    return { records: [], reply: { throttleTimeMs: 0, filterResults: filters.map(() => refused) } };
  }
  const records = [...deleted].map(id => metadataRecord("RemoveAccessControlEntryRecord", 0, { id }));
  return { records, reply: { throttleTimeMs: 0, filterResults } };
}
