export { BrokerProcess, freePort } from "./process.ts";
export { sleep } from "./system/sleep.ts";
