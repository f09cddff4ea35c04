/**
 * RequestHeader and ResponseHeader: precede the body of every request and response.
 *
 * Version 1: ResponseHeader is flexible.
 * Version 2: RequestHeader is flexible, except for ClientId.
 */
import { message } from "../codec/message.ts";
import { i16, i32, type Infer, string } from "../codec/schema.ts";

export const requestHeader = message(
  "RequestHeader",
  { versions: [1, 2], flexible: 2 },
  {
    requestApiKey: i16(),
    requestApiVersion: i16(),
    correlationId: i32(),
    clientId: string({ nullable: true, inflexible: true }),
  },
);
export type RequestHeader = Infer<typeof requestHeader>;

export const responseHeader = message(
  "ResponseHeader",
  { versions: [0, 1], flexible: 1 },
  {
    correlationId: i32(),
  },
);
export type ResponseHeader = Infer<typeof responseHeader>;
