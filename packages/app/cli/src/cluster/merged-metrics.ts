import type { BrokerId } from "@samsa/base";

interface Family {
  /** Lines `# HELP` and `# TYPE`. */
  readonly head: string[];
  readonly samples: string[];
}

const SAMPLE = /^([A-Za-z_:][\w:]*)(\{(.*)\})?( .*)$/;
const COMMENT = /^# (HELP|TYPE) (\S+)/;
/** A label `node` of the sample itself; quotes within values are escaped. */
const OWN_LABEL = /(^|,)node="/;

/**
 * Merges metrics of several nodes in Prometheus' text format: each family once, and each sample with its node as the
 * label `node`. A label of that name becomes `exported_node`, as Prometheus itself renames it.
 */
export function mergeMetrics(texts: ReadonlyMap<BrokerId, string>): string {
  const families = new Map<string, Family>();
  const familyOf = (name: string): Family => {
    const known = families.get(name) ?? { head: [], samples: [] };
    families.set(name, known);
    return known;
  };
  for (const [id, text] of texts) {
    let current: Family | undefined;
    let name = "";
    for (const line of text.split("\n")) {
      const comment = COMMENT.exec(line);
      const sample = comment === null ? SAMPLE.exec(line) : null;
      if (comment !== null) {
        name = comment[2] ?? "";
        current = familyOf(name);
        if (!current.head.some(known => known.startsWith(comment[0]))) current.head.push(line);
      } else if (sample !== null) {
        const [, own = "", , labels = "", rest = ""] = sample;
        // Samples of a histogram have the family's name and a suffix.
        const family = current !== undefined && own.startsWith(name) ? current : familyOf(own);
        const kept = labels === "" ? "" : `,${labels.replace(OWN_LABEL, '$1exported_node="')}`;
        family.samples.push(`${own}{node="${id}"${kept}}${rest}`);
      }
    }
  }
  return [...families.values()].map(({ head, samples }) => `${[...head, ...samples].join("\n")}\n`).join("\n");
}
