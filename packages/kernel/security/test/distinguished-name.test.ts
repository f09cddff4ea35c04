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
      { numRuns: 3000 },
    );
  });
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
    ["RULE:^(.*)\\/(.*)$/$2\\/$1\\$/", "a/b", "b/a$"],
  ])("%s", (rules, name, user) => {
    expect(new PrincipalRules(rules).userOf(name)).toBe(user);
  });

  test.each(["RULE:", "RULE:a/b", "RULE:(/x/", "MORE", "DEFAULT DEFAULT", "RULE:a/b/X"])("are none: %s", rules => {
    expect(() => new PrincipalRules(rules)).toThrow(MalformedError);
  });
});
