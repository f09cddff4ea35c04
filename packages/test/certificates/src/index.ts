export { Authority, type Credentials, selfSigned } from "./authority.ts";
export { TokenIssuer, type TokenAlgorithm, type TokenParts } from "./token-issuer.ts";
