/** ZkMigrationStateRecord: state of a migration from ZooKeeper, kept for logs that were written before 4.0. */
import { message } from "../codec/message.ts";
import { i8, type Infer } from "../codec/schema.ts";

export const zkMigrationStateRecord = message(
  "ZkMigrationStateRecord",
  { versions: [0, 0], flexible: 0 },
  {
    zkMigrationState: i8(),
  },
);
export type ZkMigrationStateRecord = Infer<typeof zkMigrationStateRecord>;
