import { VERSION as RELEASE } from "@samsa/base";

declare const SAMSA_VERSION: string | undefined;
declare const SAMSA_COMMIT: string | undefined;

/** Version in `--version`. The bundle defines it and the commit; plain sources use the defaults. */
export const VERSION = typeof SAMSA_VERSION === "string" ? SAMSA_VERSION : `${RELEASE}-dev`;
/** Commit of the bundle; "source" when run from sources. */
export const COMMIT = typeof SAMSA_COMMIT === "string" ? SAMSA_COMMIT : "source";
