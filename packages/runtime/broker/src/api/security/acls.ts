import { describeAclsOf, unreadableCreation, unreadableDeletion } from "../../request/acls.ts";
import { forwarded } from "../../forwarding/forwarding.ts";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Describes = Pick<BrokerParts, "config" | "topics">;
type Forwards = Pick<BrokerParts, "channel">;

export const describeAcls: Handler<"DescribeAcls", Describes> = ({ config, topics }, request, context, reply) => {
  describeAclsOf({ image: topics.image, config }, request, context, reply);
};

const forwardCreation = forwarded("CreateAcls");
const forwardDeletion = forwarded("DeleteAcls");

export const createAcls: Handler<"CreateAcls", Forwards> = (parts, request, context, reply) => {
  const fault = unreadableCreation(request);
  if (fault === undefined) forwardCreation(parts, request, context, reply);
  else context.close(fault);
};

export const deleteAcls: Handler<"DeleteAcls", Forwards> = (parts, request, context, reply) => {
  const fault = unreadableDeletion(request);
  if (fault === undefined) forwardDeletion(parts, request, context, reply);
  else context.close(fault);
};
