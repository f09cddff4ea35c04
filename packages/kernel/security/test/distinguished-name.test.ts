import { MalformedError } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { subjectName } from "../src/distinguished-name.ts";
import { PrincipalRules } from "../src/principal-rules.ts";

const element = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const nothing = element(0x30);
/** Certificate of which only the subject matters. */
const certificate = (subject: string, hasVersion = true): Buffer =>
  element(
    0x30,
    element(
      0x30,
      ...(hasVersion ? [element(0xa0, element(0x02, Buffer.from([2])))] : []),
      ...[element(0x02, Buffer.from([1])), nothing, nothing, nothing],
      Buffer.from(subject, "hex"),
      nothing,
    ),
    nothing,
  );

describe("the subject of a certificate", () => {
  // Names and encodings are those of Java's X500Principal.
  test.each([
    [
      "CN=a\\=b\\+c\\,d,O=\\ lead trail\\ ,C=US",
      "3036310b300906035504061302555331153013060355040a130c206c65616420747261696c203110300e06035504031307613d622b632c64",
    ],
    [
      "CN=\\#hash\\#mid,OU=x+UID=u1,DC=example,DC=org,ST=Y,STREET=z,L=l",
      "308184310a3008060355040713016c310a3008060355040913017a310a3008060355040813015931133011060a0992268993f22c64011916036f726731173015060a0992268993f22c64011916076578616d706c65311c3008060355040b1301783010060a0992268993f22c640101130275313112301006035504030c092368617368236d6964",
    ],
    [
      "1.2.840.113549.1.9.1=#16056140622e63,CN=x",
      "3022310a300806035504031301783114301206092a864886f70d01090116056140622e63",
    ],
    ['CN=q\\"uote\\\\back', "30163114301206035504030c0b7122756f74655c6261636b"],
    ["CN=üml中,O=a\\<b\\>c\\;d", "30243110300e060355040a0c07613c623e633b643110300e06035504030c07c3bc6d6ce4b8ad"],
    [
      "2.5.4.12=#13057469746c65,2.5.4.5=#13023132,2.5.4.42=#130167,2.5.4.4=#130173,2.5.4.46=#130171,CN=z",
      "304d310a3008060355040313017a310a3008060355042e130171310a30080603550404130173310a3008060355042a130167310b3009060355040513023132310e300c060355040c13057469746c65",
    ],
    ["CN=a\\00b", "300e310c300a06035504030c03610062"],
    ["CN=\\\r\\ a\\\r\\ ", "3010310e300c06035504030c050d20610d20"],
    ["CN=\n\ta\n", "300f310d300b06035504030c040a09610a"],
    ["CN=\\ \\ \\ ", "300e310c300a06035504030c03202020"],
    ["CN=aü", "300f310d300b06035504031e04006100fc"],
    ["CN=Aü", "300d310b30090603550403140241fc"],
    ["CN=Aü", "300d310b30090603550403160241fc"],
    ["CN=x", "300c310a300806035504031b0178"],
    // Texts that Java takes for none.
    ["CN=#120131", "300c310a30080603550403120131"],
    ["CN=#1a0131", "300c310a300806035504031a0131"],
    ["CN=#040141", "300c310a30080603550403040141"],
    ["CN=😀", "300f310d300b06035504030c04f09f9880"],
    ["CN=a  b,O=", "301a31093007060355040a1300310d300b0603550403130461202062"],
  ])("is %s", (name, encoded) => {
    expect(subjectName(certificate(encoded))).toBe(name);
    expect(subjectName(certificate(encoded, false))).toBe(name);
  });

  test("is not in damaged bytes, which do no harm", () => {
    const whole = certificate("301a31093007060355040a1300310d300b0603550403130461202062");
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, end) => {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        for (const bytes of [damaged, whole.subarray(0, end)]) {
          try {
            subjectName(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedError);
          }
        }
      }),
      { numRuns: 1500 },
    );
  });
});

const OIDS = { CN: "550403", O: "55040a", OU: "55040b", UID: "0992268993f22c640101" } as const;
type Attribute = readonly [keyof typeof OIDS, string];
const attribute = fc.tuple(
  fc.constantFrom<keyof typeof OIDS>("CN", "O", "OU", "UID"),
  fc.string({ maxLength: 6, unit: fc.constantFrom(...Array.from('ab ,=+<>#;"\\\r\0ü😀')) }),
);
const encodedName = (sets: readonly (readonly Attribute[])[]): string =>
  element(
    0x30,
    ...sets.map(set =>
      element(
        0x31,
        ...set.map(([keyword, value]) =>
          element(0x30, element(0x06, Buffer.from(OIDS[keyword], "hex")), element(0x0c, Buffer.from(value))),
        ),
      ),
    ),
  ).toString("hex");

/** Reads a name of RFC 2253, letter by letter. */
function parsedName(text: string): string[][][] {
  const sets: string[][][] = [[["", ""]]];
  let part = 0;
  for (let at = 0; at < text.length; at++) {
    const last = sets[0].at(-1)!;
    const letter = text[at];
    if (letter === "\\") {
      const isZero = text.startsWith("00", at + 1);
      last[part] += isZero ? "\0" : text[at + 1];
      at += isZero ? 2 : 1;
    } else if (letter === "=" && part === 0) part = 1;
    else if (letter === "," || letter === "+") {
      part = 0;
      if (letter === ",") sets.unshift([["", ""]]);
      else sets[0].push(["", ""]);
    } else last[part] += letter;
  }
  return sets;
}

test("a name says exactly what the certificate says, so no two subjects share one", () => {
  const subjects = fc.array(fc.array(attribute, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(subjects, subject => {
      const name = subjectName(certificate(encodedName(subject)));
      expect(parsedName(name)).toEqual(subject);
      for (const value of subject.flat().map(([, text]) => text)) {
        if (value.includes("\0")) expect(name).not.toContain("\0");
      }
    }),
    { numRuns: 1000 },
  );
});

test("a subject has attributes of a type and a value", () => {
  const withSubject = (...parts: Buffer[]): Buffer => certificate(element(0x30, ...parts).toString("hex"));
  const cn = element(0x06, Buffer.from(OIDS.CN, "hex"));
  for (const bad of [
    element(0x30, element(0x30, cn, element(0x0c, Buffer.from("x")))),
    element(0x31, element(0x31, cn, element(0x0c, Buffer.from("x")))),
    element(0x31, element(0x30, cn)),
    element(0x31, element(0x30, element(0x05), element(0x0c, Buffer.from("x")))),
  ]) {
    expect(() => subjectName(withSubject(bad))).toThrow(MalformedError);
  }
  expect(() => subjectName(element(0x30, element(0x30)))).toThrow(MalformedError);
  expect(() => subjectName(Buffer.from([0x30, 0x80]))).toThrow("a length that is none");
  expect(() => subjectName(Buffer.from([0x30, 0x85, 0, 0, 0, 0, 0]))).toThrow("a length that is none");
  const whole = certificate(encodedName([[["CN", "x".repeat(300)]]]));
  expect(subjectName(whole)).toBe(`CN=${"x".repeat(300)}`);
  expect(subjectName(certificate(encodedName([])))).toBe("");
});

describe("rules for the names of certificates", () => {
  const NAME = "CN=Duke,OU=ServiceUsers,O=Org,C=US";
  test.each([
    ["DEFAULT", NAME, NAME],
    ["RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", NAME, "Duke"],
    ["RULE:^CN=(.*?),OU=(.*?),O=(.*?),C=(.*?)$/$1@$2/L, RULE:^.*$/x/", NAME, "duke@serviceusers"],
    ["RULE:^CN=(.*?),OU=Others.*$/$1/, RULE:^CN=(.*?),.*$/$1/U, DEFAULT", NAME, "DUKE"],
    ["RULE:^CN=(.*?),OU=Others.*$/$1/,DEFAULT", NAME, NAME],
    ["RULE:^CN=(.*?),OU=Others.*$/$1/", NAME, undefined],
    ["RULE:CN=Duke/part/, DEFAULT", NAME, NAME],
    // As Java replaces: each match in the name, of which the last may be empty.
    ["RULE:.*/x/", "abc", "xx"],
    ["RULE:a|ab/[$0]/", "ab", "[a]b"],
    ["RULE:(a)(b)?(c)?(d)?/$1-$4-/", "abc", "a--"],
    ["RULE:^(.)(.)(.)$/$31/", "abc", "c1"],
    ["RULE:^(.)(.)(.)$/$1@$4/", "abc", "a@$4"],
    ["RULE:^(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)$/$10.$11.$1/", "abcdefghij", "j.a1.a"],
    ["RULE:^(.*)$/\\$1/", "ABC", "$1"],
    ["RULE:^CN=((?:\\\\, *|\\w)+)(,.*|$)/$1/,DEFAULT", "CN=Tkac\\, Adam,OU=ITZ,DC=geodis", "Tkac\\, Adam"],
    ["RULE:^a\\,b\\-c$/x/", "a,b-c", "x"],
    ["RULE:^(?<first>.).*$/$1/", "abc", "a"],
    ["RULE:://U", ":", ""],
    ["RULE:^(.*)$/$1/L", "ÀÉ", "àé"],
    // Rules may be empty, and there may be none at all.
    [",  , RULE: /   /    ,,,   DEFAULT, ,   ", NAME, NAME],
    ["RULE:/.*/ ,  DEFAULT", NAME, NAME],
    ["", NAME, undefined],
    [",   , , ", NAME, undefined],
    ["RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L,RULE:^.*$/other/", NAME, "duke"],
    ["RULE:^(.*)\\/(.*)$/$2\\/$1\\$/", "a/b", "b/a$"],
  ])("%s", (rules, name, user) => {
    expect(new PrincipalRules(rules).userOf(name)).toBe(user);
  });

  test.each([
    "default",
    "DEFAUL",
    "DEFAULT/L",
    "rule:^CN=(.*?)$/$1/",
    "RULE:^CN=(.*?)$/$1",
    "RULE:^CN=(.*?)$/$1/L/U",
    "RULE:^CN=(.*?)$/L",
    "RULE:a/b/LU",
    "RULE:a/b/ DEFAULT",
  ])("are none in Kafka either: %s", rules => {
    expect(() => new PrincipalRules(rules)).toThrow("Invalid rule");
  });

  test.each(["RULE:", "RULE:a/b", "RULE:(/x/", "MORE", "DEFAULT DEFAULT", "RULE:a/b/X"])("are none: %s", rules => {
    expect(() => new PrincipalRules(rules)).toThrow(MalformedError);
  });
});
