/** Topics of actors that make their own. */
export const ODD_TOPIC = "odd";
export const TABLES: readonly string[] = ["table-0", "table-1"];
