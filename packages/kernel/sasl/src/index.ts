export { bearerLifetime, type TokenLifetime, unsecuredToken, type UnsecuredClaims } from "./jwt.ts";
export { OAuthBearerClient } from "./oauth-bearer-client.ts";
export { PlainClient } from "./plain-client.ts";
export { SaslError, type SaslClient, type SaslStep } from "./sasl-client.ts";
export { ScramClient, type ScramHashes, type ScramOptions } from "./scram-client.ts";
