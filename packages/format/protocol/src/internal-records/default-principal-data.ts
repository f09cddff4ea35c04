/** DefaultPrincipalData: principal of a forwarded request, in Envelope (`DefaultKafkaPrincipalBuilder`). */
import { message } from "../codec/message.ts";
import { bool, type Infer, string } from "../codec/schema.ts";

export const defaultPrincipalData = message(
  "DefaultPrincipalData",
  { versions: [0, 0], flexible: 0 },
  {
    type: string(),
    name: string(),
    tokenAuthenticated: bool(),
  },
);
export type DefaultPrincipalData = Infer<typeof defaultPrincipalData>;
