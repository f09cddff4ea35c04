import { MalformedError } from "@samsa/base";
import { LOGIN_MODULES, parseJaas } from "@samsa/sasl";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const PLAIN = LOGIN_MODULES.PLAIN;
const options = (text: string): Record<string, string> =>
  Object.fromEntries(parseJaas(`${PLAIN} required ${text};`).options);

describe("sasl.jaas.config", () => {
  test.each([
    ["", {}],
    ['username="alice"', { username: "alice" }],
    ["username=alice password='sec ret'", { username: "alice", password: "sec ret" }],
    ['user_alice="a" user_bob="b"', { user_alice: "a", user_bob: "b" }],
    ['a="1" a="2"', { a: "2" }],
    ['a = "1"\n\tb=\r\n"2"', { a: "1", b: "2" }],
    ['a-b=c_$d "quoted name"="x"', { "a-b": "c_$d", "quoted name": "x" }],
    // Comments end at the line or at the star and the slash; in a quoted text there are none.
    ['a="1" // b="2";\nc="3"', { a: "1", c: "3" }],
    ['a="1" /* b="2";\n */ c="3"/**/', { a: "1", c: "3" }],
    ["a=\"/* // */\" b='; ='", { a: "/* // */", b: "; =" }],
    // Escapes of java.io.StreamTokenizer.
    [String.raw`a="\"\'\\" b='\"\''`, { a: "\"'\\", b: "\"'" }],
    [String.raw`a="\a\b\f\n\r\t\v\q"`, { a: "\x07\b\f\n\r\t\vq" }],
    [String.raw`a="\0\7\12\101\377\3777\400\8"`, { a: "\0\x07\nA\xff\xff7 08" }],
    ["größe=ü", { größe: "ü" }],
    ['a=""', { a: "" }],
    // Signs in quotes are texts.
    ['";"="x" "="=";" a=\'=\'', { ";": "x", "=": ";", a: "=" }],
  ])("has the options %s", (text, expected) => {
    expect(options(text)).toEqual(expected);
  });

  test.each(["required", "REQUISITE", "Sufficient", "optional"])("has the flag %s", flag => {
    expect(parseJaas(`a.b.C$D ${flag};`)).toEqual({ module: "a.b.C$D", options: new Map() });
  });

  test.each([
    ["", "it begins with the name of a login module"],
    ["// nothing", "it begins with the name of a login module"],
    ["; required", "it begins with the name of a login module"],
    [PLAIN, "the login module is followed by required, requisite, sufficient, optional"],
    [`${PLAIN} maybe;`, "the login module is followed by"],
    [`${PLAIN} username="a";`, "the login module is followed by"],
    [`${PLAIN} required`, "it ends with a semicolon"],
    [`${PLAIN} required username="a"`, "it ends with a semicolon"],
    [`${PLAIN} required username;`, '"username" has no value'],
    [`${PLAIN} required username=;`, '"username" has no value'],
    [`${PLAIN} required username "a";`, '"username" has no value'],
    [`${PLAIN} required ="a";`, '"=" has no value'],
    [`${PLAIN} required a "=" b;`, '"a" has no value'],
    [`${PLAIN} required a==b;`, '"a" has no value'],
    [`${PLAIN} required a="b`, '"a" has no value'],
    [`${PLAIN} required a="b\nc";`, '"a" has no value'],
    [`${PLAIN} required; ${PLAIN} required;`, "it has more than one login module"],
    [`${PLAIN} required;;`, "it has more than one login module"],
  ])("is not %j", (text, reason) => {
    expect(() => parseJaas(text)).toThrow(MalformedError);
    expect(() => parseJaas(text)).toThrow(`sasl.jaas.config cannot be read: ${reason}`);
  });

  test("has whatever was quoted", () => {
    const quoted = (text: string, quote: string): string =>
      `${quote}${text
        .replace(/[\\"']/g, "\\$&")
        .replaceAll("\n", "\\n")
        .replaceAll("\r", "\\015")}${quote}`;
    const text = fc.string({ maxLength: 10, unit: fc.constantFrom(...Array.from("ab0 ;=/*\\\"'\n\rü")) });
    const pairs = fc.dictionary(text, fc.tuple(text, fc.constantFrom('"', "'")), { maxKeys: 4 });
    const gaps = fc.constantFrom(" ", "\n", " /* = ; */ ", " // ;\n");
    fc.assert(
      fc.property(pairs, gaps, (all, gap) => {
        const written = Object.entries(all).map(
          ([name, [value, quote]]) => `${quoted(name, quote)}${gap}=${gap}${quoted(value, quote)}`,
        );
        const expected = Object.entries(all).map(([name, [value]]) => [name, value]);
        const entry = parseJaas(["module", "required", ...written, ";"].join(gap));
        expect([...entry.options]).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  test("is read, or refused, whatever it says", () => {
    const parts = fc.constantFrom("a", "required", "=", ";", '"', "'", "\\", "//", "/*", "*/", "\n", " ", "1", "-");
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 20 }), all => {
        try {
          parseJaas(`a required ${all.join("")};`);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("names the login modules of Kafka", () => {
    expect(LOGIN_MODULES).toEqual({
      PLAIN: "org.apache.kafka.common.security.plain.PlainLoginModule",
      "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
      "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
      OAUTHBEARER: "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
    });
  });
});
