const PACKAGE = "org.apache.kafka.common.security";
const SCRAM = `${PACKAGE}.scram.ScramLoginModule`;

/** Login module of each mechanism, as lines of JAAS name it. */
export const LOGIN_MODULES = {
  PLAIN: `${PACKAGE}.plain.PlainLoginModule`,
  "SCRAM-SHA-256": SCRAM,
  "SCRAM-SHA-512": SCRAM,
  OAUTHBEARER: `${PACKAGE}.oauthbearer.OAuthBearerLoginModule`,
} as const;
