export { SCENARIOS } from "./catalogue.ts";
export { play } from "./play.ts";
export { type Variation } from "./frame/variation.ts";
export { verdictText } from "./frame/verdict.ts";
