/** Module that a node loads first: its wall clock is ahead by the milliseconds in the file `SAMSA_CHAOS_CLOCK`. */
import { readFileSync } from "node:fs";

const now = Date.now;
let ahead = 0;
const read = () => {
  try {
    ahead = Number(readFileSync(process.env.SAMSA_CHAOS_CLOCK ?? "", "utf8")) || 0;
  } catch {
    ahead = 0;
  }
};
read();
setInterval(read, 20).unref();
Date.now = () => now() + ahead;
