export { BrokerProcess, freePort, sleep } from "./process.ts";
