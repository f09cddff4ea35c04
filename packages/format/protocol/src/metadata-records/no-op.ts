/** NoOpRecord: advances the log end offset, so that replicas can measure their lag. */
import { message } from "../codec/message.ts";
import { type Infer } from "../codec/schema.ts";

export const noOpRecord = message("NoOpRecord", { versions: [0, 0], flexible: 0 }, {});
export type NoOpRecord = Infer<typeof noOpRecord>;
