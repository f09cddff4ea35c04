import { message } from "../message.ts";
import { array, i16, i32, i8, type Infer, string } from "../schema.ts";

export const findCoordinatorRequest = message(
  "FindCoordinatorRequest",
  { versions: [0, 6], flexible: 3 },
  {
    key: string({ until: 3 }),
    keyType: i8({ since: 1, default: 0 }),
    coordinatorKeys: array(string(), { since: 4 }),
  },
);
export type FindCoordinatorRequest = Infer<typeof findCoordinatorRequest>;

const coordinator = {
  key: string(),
  nodeId: i32(),
  host: string(),
  port: i32(),
  errorCode: i16(),
  errorMessage: string({ nullable: true, ignorable: true }),
};

export const findCoordinatorResponse = message(
  "FindCoordinatorResponse",
  { versions: [0, 6], flexible: 3 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    errorCode: i16({ until: 3 }),
    errorMessage: string({ since: 1, until: 3, nullable: true, ignorable: true }),
    nodeId: i32({ until: 3 }),
    host: string({ until: 3 }),
    port: i32({ until: 3 }),
    coordinators: array(coordinator, { since: 4 }),
  },
);
export type FindCoordinatorResponse = Infer<typeof findCoordinatorResponse>;
