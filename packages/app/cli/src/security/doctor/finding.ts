/** Severities, the worst first. */
export const SEVERITIES = ["high", "medium", "low"] as const;

/** Something that is open: to strangers, or to the loss of records. */
export interface Finding {
  readonly severity: (typeof SEVERITIES)[number];
  /** Listener, file, setting or topic. */
  readonly subject: string;
  readonly fault: string;
  /** Step that ends it. */
  readonly remedy: string;
}

/** Findings, the worst first, each one once. */
export function ordered(findings: readonly Finding[]): Finding[] {
  const unique = new Map(findings.map(finding => [JSON.stringify(finding), finding]));
  return SEVERITIES.flatMap(severity => [...unique.values()].filter(finding => finding.severity === severity));
}
