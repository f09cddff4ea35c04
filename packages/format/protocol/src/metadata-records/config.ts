/** ConfigRecord: a dynamic setting of a resource was set; null removes it. */
import { message } from "../codec/message.ts";
import { i8, type Infer, string } from "../codec/schema.ts";

export const configRecord = message(
  "ConfigRecord",
  { versions: [0, 0], flexible: 0 },
  {
    resourceType: i8(),
    resourceName: string(),
    name: string(),
    value: string({ nullable: true }),
  },
);
export type ConfigRecord = Infer<typeof configRecord>;
