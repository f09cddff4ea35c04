const PAUSE_MS = 20;

/** Waits until `holds` is true; an error of it counts as false. Rejects with `what` and that error after `deadlineMs`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, deadlineMs = 60_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    let last = "";
    try {
      if (await holds()) return;
    } catch (error) {
      last = ` (${String(error)})`;
    }
    if (performance.now() > deadline) throw new Error(`${deadlineMs} ms went by without: ${what}${last}`);
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
  }
}
