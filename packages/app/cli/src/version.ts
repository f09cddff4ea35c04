declare const SAMSA_VERSION: string | undefined;
declare const SAMSA_COMMIT: string | undefined;

/** What `--version` says; the bundle knows, sources run as they are do not. */
export const VERSION = typeof SAMSA_VERSION === "string" ? SAMSA_VERSION : "0.1.0-dev";
export const COMMIT = typeof SAMSA_COMMIT === "string" ? SAMSA_COMMIT : "source";
