/** Version of all packages, as their manifests say. */
export const VERSION = "0.1.0";
