import { MalformedError } from "@samsa/base";

/** Rule that maps the name of a certificate to that of a user. */
type Rule =
  | "DEFAULT"
  | {
      readonly whole: RegExp;
      /** The pattern as it is replaced: everywhere in the name. */
      readonly anywhere: RegExp;
      readonly replacement: string;
      readonly letters: "" | "L" | "U";
    };

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
    const source = javaPattern(pattern[1] ?? "");
    const rule: Rule = {
      whole: new RegExp(`^(?:${source})$`, "u"),
      anywhere: new RegExp(source, "gu"),
      replacement: replacement[1] ?? "",
      letters: letters as "" | "L" | "U",
    };
    return { rule, rest: afterReplacement.slice(letters.length) };
  } catch {
    return bad();
  }
}

/** A backslash takes the meaning from any character that is no letter and no digit, as in Java. */
function javaPattern(pattern: string): string {
  return pattern.replace(/\\([^\p{L}\p{N}])/gu, (_, escaped: string) => `\\u{${escaped.codePointAt(0)?.toString(16)}}`);
}

/**
 * Text of a replacement: $1 stands for the first group, a backslash takes the meaning from the next character. Digits
 * that would make the number too large follow it; a number of no group stands for itself.
 */
function replaced(replacement: string, groups: readonly (string | undefined)[]): string {
  const most = groups.length - 1;
  return replacement.replace(/\\(.)|\$(\d+)/g, (whole, literal: string | undefined, digits: string | undefined) => {
    if (digits === undefined) return literal ?? "";
    let used = 1;
    while (used < digits.length && Number(digits.slice(0, used + 1)) <= most) used++;
    const group = Number(digits.slice(0, used));
    return group > most ? whole : `${groups[group] ?? ""}${digits.slice(used)}`;
  });
}

/** Rest of the rules without the commas in front of it, between which a rule may be empty. */
const withoutCommas = (text: string): string => text.replace(/^[\s,]+/, "");

/** Rules of `ssl.principal.mapping.rules`, of which the first that matches counts (`SslPrincipalMapper`). */
export class PrincipalRules {
  readonly #rules: readonly Rule[];

  /** Throws `MalformedError`. */
  constructor(text: string) {
    const rules: Rule[] = [];
    for (let rest = withoutCommas(text); rest !== ""; ) {
      const found = ruleAt(rest);
      rules.push(found.rule);
      if (!/^\s*(?:,|$)/.test(found.rest)) throw new MalformedError(`Invalid rule: \`${found.rest}\``);
      rest = withoutCommas(found.rest);
    }
    this.#rules = rules;
  }

  /** Name of the user for the name of a certificate; undefined: no rule matches. */
  userOf(name: string): string | undefined {
    for (const rule of this.#rules) {
      if (rule === "DEFAULT") return name;
      if (!rule.whole.test(name)) continue;
      const user = name.replaceAll(rule.anywhere, (...found: unknown[]) => {
        // After the groups come the position and the name, and groups by name if there are any.
        const end = found.findIndex(each => typeof each === "number");
        return replaced(rule.replacement, found.slice(0, end) as (string | undefined)[]);
      });
      if (rule.letters === "L") return user.toLowerCase();
      return rule.letters === "U" ? user.toUpperCase() : user;
    }
    return undefined;
  }
}
