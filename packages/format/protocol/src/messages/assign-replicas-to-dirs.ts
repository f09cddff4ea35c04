/** AssignReplicasToDirs: a broker tells the controller in which log directories its replicas are. */
import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, uuid } from "../schema.ts";

export const assignReplicasToDirsRequest = message(
  "AssignReplicasToDirsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: i32(),
    brokerEpoch: i64({ default: -1 }),
    directories: array({
      id: uuid(),
      topics: array({
        topicId: uuid(),
        partitions: array({
          partitionIndex: i32(),
        }),
      }),
    }),
  },
);
export type AssignReplicasToDirsRequest = Infer<typeof assignReplicasToDirsRequest>;

export const assignReplicasToDirsResponse = message(
  "AssignReplicasToDirsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    directories: array({
      id: uuid(),
      topics: array({
        topicId: uuid(),
        partitions: array({
          partitionIndex: i32(),
          errorCode: i16(),
        }),
      }),
    }),
  },
);
export type AssignReplicasToDirsResponse = Infer<typeof assignReplicasToDirsResponse>;
