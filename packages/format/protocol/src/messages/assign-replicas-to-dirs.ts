/** AssignReplicasToDirs: a broker tells the controller in which log directories its replicas are. */
import { message } from "../codec/message.ts";
import { array, brokerEpoch, brokerId, i16, i32, type Infer, partitionIndex, uuid } from "../codec/schema.ts";

export const assignReplicasToDirsRequest = message(
  "AssignReplicasToDirsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: brokerId(),
    brokerEpoch: brokerEpoch({ default: -1 }),
    directories: array({
      id: uuid(),
      topics: array({
        topicId: uuid(),
        partitions: array({
          partitionIndex: partitionIndex(),
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
          partitionIndex: partitionIndex(),
          errorCode: i16(),
        }),
      }),
    }),
  },
);
export type AssignReplicasToDirsResponse = Infer<typeof assignReplicasToDirsResponse>;
