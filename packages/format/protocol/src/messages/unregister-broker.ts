/** UnregisterBroker: removes the registration of a broker. */
import { message } from "../codec/message.ts";
import { brokerId, i16, i32, type Infer, string } from "../codec/schema.ts";

export const unregisterBrokerRequest = message(
  "UnregisterBrokerRequest",
  { versions: [0, 0], flexible: 0 },
  {
    brokerId: brokerId(),
  },
);
export type UnregisterBrokerRequest = Infer<typeof unregisterBrokerRequest>;

export const unregisterBrokerResponse = message(
  "UnregisterBrokerResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
  },
);
export type UnregisterBrokerResponse = Infer<typeof unregisterBrokerResponse>;
