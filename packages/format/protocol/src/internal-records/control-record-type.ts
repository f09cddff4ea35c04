/** ControlRecordType: key of a control record, with the type of its value. */
import { message } from "../codec/message.ts";
import { i16, type Infer } from "../codec/schema.ts";

export const controlRecordTypeSchema = message(
  "ControlRecordTypeSchema",
  { versions: [0, 0] },
  {
    type: i16(),
  },
);
export type ControlRecordTypeSchema = Infer<typeof controlRecordTypeSchema>;
