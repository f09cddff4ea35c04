export { SCENARIOS } from "./catalogue.ts";
export { play } from "./play.ts";
export { verdictText } from "./frame/verdict.ts";
