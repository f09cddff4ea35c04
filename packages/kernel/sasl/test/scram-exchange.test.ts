import * as crypto from "node:crypto";
import { fromUtf8, type HashName, InvariantError, utf8 } from "@samsa/base";
import {
  MAX_SCRAM_ITERATIONS,
  MIN_SCRAM_ITERATIONS,
  OAuthBearerClient,
  PlainClient,
  SaslRefusal,
  type SaslServerStep,
  SCRAM_MECHANISMS,
  ScramClient,
  scramKeys,
  ScramServer,
  type ScramServerOptions,
} from "@samsa/sasl";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stored, type Stored } from "./scram-server.ts";

const NAMES = { "SHA-256": "sha256", "SHA-512": "sha512" } as const;
const HASHES: ScramServerOptions["hashes"] = {
  hash: (name, bytes) => crypto.createHash(NAMES[name]).update(bytes).digest(),
  hmac: (name, key, bytes) => crypto.createHmac(NAMES[name], key).update(bytes).digest(),
};
const HASH_NAMES = fc.constantFrom<HashName>("SHA-256", "SHA-512");

/** Changes of a client to an exchange; undefined: it is honest. */
interface Forgery {
  readonly header?: string;
  readonly binding?: string;
  readonly nonce?: (nonce: string) => string;
  /** Extensions of the first and of the last message, which count as part of it. */
  readonly first?: string;
  readonly last?: string;
  readonly proof?: (proof: Buffer) => Buffer;
  /** Text that the signature is over, if it is not that of the exchange. */
  readonly signed?: (text: string) => string;
  readonly password?: string;
}

/** Client of SCRAM, written from RFC 5802, that does as it is told. */
function exchange(server: ScramServer, hash: HashName, user: string, forgery: Forgery): string {
  const header = forgery.header ?? "n,,";
  const bare = `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=own${forgery.first ?? ""}`;
  const step = server.received(utf8(header + bare));
  // There is no token by any name.
  const first = challengeOf(step.type === "find" ? step.found(undefined) : step);
  const [, nonce = "", salt = "", iterations = ""] = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(first) ?? [];
  const name = NAMES[hash];
  const password = forgery.password ?? "right";
  const key = crypto.pbkdf2Sync(
    password,
    Buffer.from(salt, "base64"),
    Number(iterations),
    hash === "SHA-256" ? 32 : 64,
    name,
  );
  const hmac = (by: Buffer, text: string): Buffer => crypto.createHmac(name, by).update(text).digest();
  const clientKey = hmac(key, "Client Key");
  const binding = Buffer.from(forgery.binding ?? header).toString("base64");
  const without = `c=${binding},r=${(forgery.nonce ?? (same => same))(nonce)}${forgery.last ?? ""}`;
  const all = `${bare},${first},${without}`;
  const signature = hmac(crypto.createHash(name).update(clientKey).digest(), (forgery.signed ?? (same => same))(all));
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]));
  const sent = (forgery.proof ?? (same => same))(proof).toString("base64");
  const last = server.received(utf8(`${without},p=${sent}`));
  if (last.type !== "done") throw new Error("not done after the proof");
  expect(fromUtf8(last.bytes)).toBe(`v=${hmac(hmac(key, "Server Key"), all).toString("base64")}`);
  return last.identity.user;
}

const server = (hash: HashName, users: ReadonlyMap<string, Stored>, nonce = "theirs"): ScramServer =>
  new ScramServer({ hash, hashes: HASHES, credentialOf: name => users.get(name), nonce, secret: utf8("secret") });

/** Credentials are slow to make. */
const CREDENTIALS = {
  "SHA-256": new Map([["al,ice=", stored("SHA-256", "right")]]),
  "SHA-512": new Map([["al,ice=", stored("SHA-512", "right", 5000)]]),
};

function challengeOf(step: SaslServerStep): string {
  if (step.type !== "challenge") throw new Error(`not ${step.type}`);
  return fromUtf8(step.bytes);
}

describe("an exchange of SCRAM", () => {
  const honest: fc.Arbitrary<Forgery> = fc.record(
    {
      header: fc.constantFrom("n,,", "n,a=al=2Cice=3D,"),
      first: fc.constantFrom("", ",x=y", ",tokenauth=false", ",ext=1,other=a=b"),
      last: fc.constantFrom("", ",x=y", ",ext=1,other=a=b"),
    },
    { requiredKeys: [] },
  );

  test("is over whatever both sides have said", () => {
    fc.assert(
      fc.property(HASH_NAMES, honest, (hash, forgery) => {
        expect(exchange(server(hash, CREDENTIALS[hash]), hash, "al,ice=", forgery)).toBe("al,ice=");
      }),
      { numRuns: 40 },
    );
  });

  const flipped = (at: number) => (proof: Buffer) => {
    const changed = Buffer.from(proof);
    changed[at % proof.length] ^= 1 << (at % 8);
    return changed;
  };
  const forgeries: readonly Forgery[] = [
    { binding: "y,," },
    { binding: "n,a=al=2Cice=3D," },
    { binding: "" },
    { header: "n,a=al=2Cice=3D,", binding: "n,," },
    { nonce: () => "own" },
    { nonce: () => "owntheirsmore" },
    { nonce: () => "theirs" },
    { nonce: nonce => nonce.toUpperCase() },
    { proof: () => Buffer.alloc(0) },
    { proof: proof => proof.subarray(1) },
    { proof: proof => proof.subarray(0, -1) },
    { proof: proof => Buffer.concat([proof, Buffer.alloc(1)]) },
    { proof: proof => Buffer.alloc(proof.length) },
    { proof: proof => Buffer.concat([proof, proof]) },
    { signed: text => text.replace("r=own,", "r=owm,") },
    { signed: text => text.replace(/i=\d+/, "i=4096,x=y") },
    { signed: text => `${text},x=y` },
    { password: "wrong" },
    { password: "Right" },
    { first: ",tokenauth=true" },
    { first: ",x=y,tokenauth=true" },
    { first: ",tokenauth=true,x=y" },
  ];

  const refusalOf = (hash: HashName, forgery: Forgery): unknown => {
    try {
      return exchange(server(hash, CREDENTIALS[hash]), hash, "al,ice=", forgery);
    } catch (error) {
      return error;
    }
  };

  test.each(forgeries.map(forgery => [forgery]))("ends without any change of it, and says no more: %o", forgery => {
    for (const hash of ["SHA-256", "SHA-512"] as const) {
      const refusal = refusalOf(hash, forgery);
      expect(refusal).toBeInstanceOf(SaslRefusal);
      expect((refusal as SaslRefusal).told).toBeUndefined();
    }
  });

  test("ends if one bit of the proof is another", () => {
    fc.assert(
      fc.property(HASH_NAMES, fc.nat(511), (hash, at) => {
        expect(refusalOf(hash, { proof: flipped(at) })).toBeInstanceOf(SaslRefusal);
      }),
      { numRuns: 30 },
    );
  });

  test("takes names apart as they were put together", () => {
    for (const name of ["=2C", "=3D", ",", "=", "a=2Cb=3D2C,", "=3D2C"]) {
      const users = new Map([[name, CREDENTIALS["SHA-256"].get("al,ice=") as Stored]]);
      expect(exchange(server("SHA-256", users), "SHA-256", name, {})).toBe(name);
      const made = new ScramClient(HASHES, { hash: "SHA-256", username: name, password: "right", nonce: "own" });
      const first = made.start();
      const asked: string[] = [];
      const credentialOf = (user: string): undefined => void asked.push(user);
      const theirs = { hash: "SHA-256", hashes: HASHES, credentialOf, nonce: "x", secret: utf8("s") } as const;
      if (first.type === "send") new ScramServer(theirs).received(first.bytes);
      expect(asked).toEqual([name]);
    }
  });

  test("ends for an unknown user whatever the proof, even if the hash function is broken", () => {
    const broken: ScramServerOptions["hashes"] = {
      hash: (_, bytes) => bytes,
      hmac: () => Uint8Array.from(Array(32).fill(7)),
    };
    const options = { hash: "SHA-256", hashes: broken, nonce: "theirs", secret: utf8("secret") } as const;
    const credential = {
      salt: utf8("salt"),
      storedKey: broken.hmac("SHA-256", utf8(""), utf8("")),
      serverKey: utf8("key"),
      iterations: 4096,
    };
    const last = utf8(`c=biws,r=owntheirs,p=${Buffer.alloc(32).toString("base64")}`);
    for (const [known, isKnown] of [
      [credential, true],
      [undefined, false],
    ] as const) {
      const made = new ScramServer({ ...options, credentialOf: () => known });
      made.received(utf8("n,,n=u,r=own"));
      if (isKnown) expect(made.received(last).type).toBe("done");
      else expect(() => made.received(last)).toThrow("Invalid client credentials");
    }
  });

  test("is refused for another user, in whatever letters the name is", () => {
    for (const name of ["al,ice", "al,ice=2", "Al,ice=", "", " al,ice="]) {
      expect(() => exchange(server("SHA-256", CREDENTIALS["SHA-256"]), "SHA-256", name, {})).toThrow(SaslRefusal);
    }
    const known = server("SHA-256", CREDENTIALS["SHA-256"]);
    expect(() => exchange(known, "SHA-256", "al,ice=", { header: "n,a=root," })).toThrow("different from username");
    const unknown = server("SHA-256", new Map());
    expect(() => exchange(unknown, "SHA-256", "nobody", { header: "n,a=root," })).toThrow("different from username");
  });

  test("has the iterations and the salt of the credential", () => {
    const credential = CREDENTIALS["SHA-512"].get("al,ice=");
    const step = challengeOf(server("SHA-512", CREDENTIALS["SHA-512"]).received(utf8("n,,n=al=2Cice=3D,r=x")));
    const salt = credential?.salt.toString("base64");
    expect(step).toBe(`r=xtheirs,s=${salt},i=5000`);
  });

  test("counts credentials with the fewest iterations, not with one less", () => {
    for (const [iterations, isFit] of [
      [MIN_SCRAM_ITERATIONS, true],
      [MIN_SCRAM_ITERATIONS - 1, false],
    ] as const) {
      const users = new Map([["u", stored("SHA-256", "right", iterations)]]);
      const run = (): string => exchange(server("SHA-256", users), "SHA-256", "u", {});
      if (isFit) expect(run()).toBe("u");
      else expect(run).toThrow(SaslRefusal);
    }
    expect([MIN_SCRAM_ITERATIONS, MAX_SCRAM_ITERATIONS]).toEqual([4096, 16384]);
  });

  test("made-up salts depend on the secret, the name and the hash, not on the nonce", () => {
    const saltOf = (hash: HashName, name: string, secret: string, nonce: string): string => {
      const made = new ScramServer({
        ...{ hash, hashes: HASHES, credentialOf: () => undefined },
        ...{ nonce, secret: utf8(secret) },
      });
      return /,s=([^,]*),i=4096$/.exec(challengeOf(made.received(utf8(`n,,n=${name},r=x`))))?.[1] ?? "";
    };
    const salt = saltOf("SHA-256", "a", "s", "1");
    expect(Buffer.from(salt, "base64")).toHaveLength(16);
    expect(saltOf("SHA-256", "a", "s", "2")).toBe(salt);
    const others = [
      saltOf("SHA-256", "b", "s", "1"),
      saltOf("SHA-256", "a", "t", "1"),
      saltOf("SHA-512", "a", "s", "1"),
    ];
    expect(new Set([salt, ...others]).size).toBe(4);
  });

  test("is not used again", () => {
    const used = server("SHA-256", CREDENTIALS["SHA-256"]);
    exchange(used, "SHA-256", "al,ice=", {});
    expect(() => used.received(utf8("n,,n=a,r=b"))).toThrow(InvariantError);
    const failed = server("SHA-256", CREDENTIALS["SHA-256"]);
    expect(() => exchange(failed, "SHA-256", "al,ice=", { password: "wrong" })).toThrow(SaslRefusal);
    expect(() => failed.received(utf8("n,,n=a,r=b"))).toThrow(InvariantError);
  });

  test("may begin again after a first message that cannot be read", () => {
    const patient = server("SHA-256", CREDENTIALS["SHA-256"]);
    expect(() => patient.received(utf8("hello"))).toThrow("Invalid SCRAM client first message format");
    expect(exchange(patient, "SHA-256", "al,ice=", {})).toBe("al,ice=");
  });
});

describe("a client", () => {
  const client = (): ScramClient =>
    new ScramClient(HASHES, { hash: "SHA-256", username: "u", password: "p", nonce: "n" });
  const FIRST = utf8("r=nx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");

  test("of SCRAM takes its steps in order, each once", () => {
    expect(() => client().received(FIRST)).toThrow(InvariantError);
    expect(() => client().derived(new Uint8Array(32))).toThrow(InvariantError);
    const twice = client();
    twice.start();
    expect(() => twice.start()).toThrow(InvariantError);
    expect(() => twice.derived(new Uint8Array(32))).toThrow(InvariantError);
    twice.received(FIRST);
    expect(() => twice.received(FIRST)).toThrow(InvariantError);
    twice.derived(new Uint8Array(32));
    expect(() => twice.derived(new Uint8Array(32))).toThrow(InvariantError);
  });

  test("of SCRAM asks for a key of what the server has said", () => {
    const made = client();
    made.start();
    const step = made.received(utf8("r=nx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000000,x=y"));
    const salt = Uint8Array.from(Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"));
    expect(step).toEqual({ type: "derive", hash: "SHA-256", password: utf8("p"), salt, iterations: 1_000_000 });
  });

  test("that derives no key has none to take", () => {
    expect(() => new PlainClient("u", "p").derived(new Uint8Array(1))).toThrow(InvariantError);
    expect(() => new OAuthBearerClient("t").derived(new Uint8Array(1))).toThrow(InvariantError);
  });
});

test("keys of a credential are those of RFC 5802", () => {
  for (const { name, hash, code } of SCRAM_MECHANISMS) {
    expect(name).toBe(`SCRAM-${hash}`);
    const expected = stored(hash, "right");
    const length = hash === "SHA-256" ? 32 : 64;
    const salted = crypto.pbkdf2Sync("right", expected.salt, 4096, length, NAMES[hash]);
    const { storedKey, serverKey } = scramKeys(HASHES, code, salted);
    expect(Buffer.from(storedKey)).toEqual(expected.storedKey);
    expect(Buffer.from(serverKey)).toEqual(expected.serverKey);
  }
  expect(SCRAM_MECHANISMS.map(({ code }) => code)).toEqual([1, 2]);
  expect(() => scramKeys(HASHES, 3, new Uint8Array(32))).toThrow(InvariantError);
});
