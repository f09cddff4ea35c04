export { type JaasEntry, parseJaas } from "./jaas.ts";
export { LOGIN_MODULES } from "./login-modules.ts";
export {
  bearerLifetime,
  type ClaimFault,
  type ClaimRules,
  identityOf,
  type TokenLifetime,
  unsecuredToken,
  type UnsecuredClaims,
} from "./jwt.ts";
export { OAuthBearerClient } from "./oauth-bearer-client.ts";
export { OAuthBearerServer } from "./oauth-bearer-server.ts";
export { PlainClient } from "./plain-client.ts";
export { SaslError, type SaslClient, type SaslStep } from "./sasl-client.ts";
export { ScramClient, type ScramHashes, type ScramOptions } from "./scram-client.ts";
export { PlainServer } from "./plain-server.ts";
export { type Identity, SaslRefusal, type SaslServer, type SaslServerStep, type Verification } from "./sasl-server.ts";
export {
  MAX_SCRAM_ITERATIONS,
  MIN_SCRAM_ITERATIONS,
  SCRAM_MECHANISMS,
  scramKeys,
  type ScramMechanism,
  ScramServer,
  type ScramServerOptions,
} from "./scram-server.ts";
export { TokenSecret } from "./token-secret.ts";
export type { ScramCredential, TokenCredential } from "./scram-credential.ts";
