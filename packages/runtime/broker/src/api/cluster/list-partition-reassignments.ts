import { listPartitionReassignments as listed } from "@samsa/controller";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "topics">;

export const listPartitionReassignments: Handler<"ListPartitionReassignments", Needs> = (
  parts,
  request,
  _context,
  reply,
) => {
  reply(listed(parts.topics.image, request));
};
