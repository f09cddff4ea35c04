import { writeSync } from "node:fs";

/** A producer that knows how many of its records have no outcome yet. */
interface Sender {
  readonly unsent: number;
}

const STDERR = 2;
const senders = new Map<Sender, string>();

function tell(): void {
  for (const [sender, clientId] of senders) {
    const { unsent } = sender;
    if (unsent === 0) continue;
    const records = unsent === 1 ? "1 record" : `${unsent.toLocaleString("en")} records`;
    const text = `samsa: the process ended before ${records} of producer ${clientId} were acknowledged; await close() first\n`;
    writeSync(STDERR, text);
  }
}

/** Tells on standard error how many records of a producer are lost when the process exits before it is closed. */
export function watchExit(sender: Sender, clientId: string): void {
  if (senders.size === 0) process.on("exit", tell);
  senders.set(sender, clientId);
}

/** Ends `watchExit`. */
export function unwatchExit(sender: Sender): void {
  senders.delete(sender);
  if (senders.size === 0) process.off("exit", tell);
}
