/** ClientQuotaRecord: a client quota was set or removed. */
import { message } from "../codec/message.ts";
import { array, bool, f64, type Infer, string } from "../codec/schema.ts";

export const clientQuotaRecord = message(
  "ClientQuotaRecord",
  { versions: [0, 0], flexible: 0 },
  {
    entity: array({
      entityType: string(),
      entityName: string({ nullable: true }),
    }),
    key: string(),
    value: f64(),
    remove: bool(),
  },
);
export type ClientQuotaRecord = Infer<typeof clientQuotaRecord>;
