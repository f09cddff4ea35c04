/** Values of `--log-level`. */
export const LEVEL_NAMES = ["debug", "info", "warn", "error", "silent"] as const;
export type LevelName = (typeof LEVEL_NAMES)[number];

/** Values of `--log-format`: text on a terminal and JSON elsewhere, or one of them. */
export const LOG_FORMATS = ["auto", "text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
