export { Authority, type Credentials } from "./authority.ts";
export { TokenIssuer, type TokenAlgorithm, type TokenParts } from "./token-issuer.ts";
