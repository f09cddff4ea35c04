import { MalformedError } from "@samsa/base";
import { parseJaas } from "@samsa/sasl";
import type { Finding } from "./finding.ts";

const JAAS = "sasl.jaas.config";
/** Option of `PlainLoginModule` that names a user. */
const USER = "user_";
/** Fewest characters of a password that is not guessed soon. */
const PASSWORD_LENGTH = 12;
/** Words of examples and of first attempts. */
const WORDS =
  /^(?:[a-z]+[-_.]?)?(?:secret|passw(?:or)?d|pass|admin|broker|kafka|user|test|default|change-?(?:it|me)|letmein|qwerty)[\d!]*$/i;

/** Says why a password of a user is soon guessed; undefined: it is not. */
function weakness(user: string, password: string): string | undefined {
  if (password === user) return "is the name of the user";
  if (WORDS.test(password) || /^(.)\1*$/.test(password) || /^\d+$/.test(password)) return "is a common one";
  return password.length < PASSWORD_LENGTH ? `has fewer than ${PASSWORD_LENGTH} characters` : undefined;
}

/** Names and passwords that a line of JAAS has. */
function loginsOf(text: string): readonly (readonly [user: string, password: string])[] {
  try {
    const { options } = parseJaas(text);
    const own = options.get("password");
    const users = [...options].filter(([name]) => name.startsWith(USER));
    return [
      ...(own === undefined ? [] : [[options.get("username") ?? "", own] as const]),
      ...users.map(([name, password]) => [name.slice(USER.length), password] as const),
    ];
  } catch (error) {
    // A start says what is wrong with it.
    if (error instanceof MalformedError) return [];
    throw error;
  }
}

/** Finds passwords in `sasl.jaas.config` that are soon guessed. */
export function passwordFindings(settings: ReadonlyMap<string, string>): Finding[] {
  return [...settings]
    .filter(([name]) => name === JAAS || name.endsWith(`.${JAAS}`))
    .flatMap(([subject, text]) =>
      loginsOf(text).flatMap(([user, password]): Finding[] => {
        const weak = weakness(user, password);
        const remedy = "use a random one, as of openssl rand -base64 24";
        return weak === undefined
          ? []
          : [{ severity: "high", subject, fault: `the password of ${user} ${weak}`, remedy }];
      }),
    );
}
