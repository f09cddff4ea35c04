import { MalformedError } from "@samsa/base";

/** Rule that maps the name of a certificate to that of a user. */
type Rule = "DEFAULT" | { readonly pattern: RegExp; readonly replacement: string; readonly letters: "" | "L" | "U" };

/** Part of a rule up to a slash that is not escaped. */
const PART = /^((?:\\.|[^\\/])*)\//;

function ruleAt(text: string): { readonly rule: Rule; readonly rest: string } {
  const bad = (): never => {
    throw new MalformedError(`Invalid rule: \`${text}\``);
  };
  if (text.startsWith("DEFAULT")) return { rule: "DEFAULT", rest: text.slice("DEFAULT".length) };
  if (!text.startsWith("RULE:")) return bad();
  const afterName = text.slice("RULE:".length);
  const pattern = PART.exec(afterName) ?? bad();
  const afterPattern = afterName.slice(pattern[0].length);
  const replacement = PART.exec(afterPattern) ?? bad();
  const afterReplacement = afterPattern.slice(replacement[0].length);
  const letters = /^[LU]/.exec(afterReplacement)?.[0] ?? "";
  try {
    const compiled = new RegExp(`^(?:${pattern[1] ?? ""})$`, "u");
    const rule = { pattern: compiled, replacement: replacement[1] ?? "", letters: letters as "" | "L" | "U" };
    return { rule, rest: afterReplacement.slice(letters.length) };
  } catch {
    return bad();
  }
}

/** Text of a replacement: $1 stands for the first group, a backslash takes the meaning from the next character. */
function replaced(replacement: string, groups: RegExpExecArray): string {
  return replacement.replace(/\\(.)|\$(\d)/g, (_whole, literal: string | undefined, group: string | undefined) =>
    group === undefined ? (literal ?? "") : (groups[Number(group)] ?? ""),
  );
}

/** Rules of `ssl.principal.mapping.rules`, of which the first that matches counts (`SslPrincipalMapper`). */
export class PrincipalRules {
  readonly #rules: readonly Rule[];

  /** Throws `MalformedError`. */
  constructor(text: string) {
    const rules: Rule[] = [];
    for (let rest = text.trim(); rest !== ""; ) {
      const found = ruleAt(rest);
      rules.push(found.rule);
      const separator = /^\s*(?:,\s*|$)/.exec(found.rest);
      if (separator === null) throw new MalformedError(`Invalid rule: \`${found.rest}\``);
      rest = found.rest.slice(separator[0].length);
    }
    this.#rules = rules;
  }

  /** Name of the user for the name of a certificate; undefined: no rule matches. */
  userOf(name: string): string | undefined {
    for (const rule of this.#rules) {
      if (rule === "DEFAULT") return name;
      const groups = rule.pattern.exec(name);
      if (groups === null) continue;
      const user = replaced(rule.replacement, groups);
      if (rule.letters === "L") return user.toLowerCase();
      return rule.letters === "U" ? user.toUpperCase() : user;
    }
    return undefined;
  }
}
