/**
 * Compiles a version of a message to JavaScript: one function per struct and direction, in which all decisions about
 * the version have been made.
 */
import type { ByteReader, ByteWriter } from "@samsa/base";
import { type Field, type Fields, nullableAt, presentAt, taggedAt, type Type } from "./schema.ts";
import * as wire from "./wire.ts";

/** Decoder and encoder of a message at one version. */
export interface Codec {
  decode(reader: ByteReader): unknown;
  encode(writer: ByteWriter, value: unknown): void;
}

/** A message at one version. */
export interface CodecSpec {
  readonly name: string;
  readonly fields: Fields;
  readonly version: number;
  readonly flexible: boolean;
}

interface Emission extends CodecSpec {
  /** Sources of finished functions. */
  readonly functions: string[];
  /** Values without a literal; the source refers to the n-th as `K[n]`. */
  readonly constants: unknown[];
}

/** Compiles and loads a codec. */
export function compile(spec: CodecSpec): Codec {
  const { source, constants } = emit(spec);
  // The source is made from declarations in this package only; no input reaches it.
  // oxlint-disable-next-line typescript/no-implied-eval -- a compiler ends in code
  const factory = new Function("W", "K", source) as (w: typeof wire, k: readonly unknown[]) => Codec;
  return factory(wire, constants);
}

/**
 * Source of a function body that returns a `Codec`. Its parameters are `W` (this package's `wire.ts`) and `K`
 * (`constants`).
 */
function emit(spec: CodecSpec): { source: string; constants: readonly unknown[] } {
  const emission: Emission = { ...spec, functions: [], constants: [] };
  const decode = emitDecoder(emission, spec.fields);
  const encode = emitEncoder(emission, spec.fields, spec.name, false);
  const imports = `const { ${Object.keys(wire).join(", ")} } = W;`;
  const source = ['"use strict";', imports, ...emission.functions, `return { decode: ${decode}, encode: ${encode} };`];
  return { source: source.join("\n"), constants: emission.constants };
}

function define(e: Emission, parameters: string, body: readonly string[]): string {
  const name = `f${e.functions.length}`;
  e.functions.push(`function ${name}(${parameters}) {\n  ${body.join("\n  ")}\n}`);
  return name;
}

function literal(e: Emission, value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const known = e.constants.indexOf(value);
  return `K[${known >= 0 ? known : e.constants.push(value) - 1}]`;
}

/** Fields of this version: plain ones in declared order, tagged ones by tag. */
function split(e: Emission, fields: Fields): { plain: [string, Field][]; tagged: [string, Field][] } {
  const present = Object.entries(fields).filter(([, field]) => presentAt(field, e.version));
  const tagged = present.filter(([, field]) => e.flexible && taggedAt(field, e.version));
  const plain = present.filter(entry => !tagged.includes(entry));
  return { plain, tagged: tagged.toSorted(([, a], [, b]) => a.tag - b.tag) };
}

function formOf(e: Emission, field: Field): Emission {
  return field.inflexible ? { ...e, flexible: false } : e;
}

function lengthOf(e: Emission): string {
  return e.flexible ? "compactLength(r)" : "r.i32()";
}

function readString(e: Emission, nullable: boolean): string {
  if (e.flexible) return nullable ? "readCompactStringOrNull" : "readCompactString";
  return nullable ? "readStringOrNull" : "readString";
}

/** Expression that reads a value. `tagged` is true for the value of a tag itself, not for values in it. */
function readExpression(e: Emission, type: Type, nullable: boolean, tagged = false): string {
  switch (type.kind) {
    case "bool":
      return "r.i8() !== 0";
    case "long":
      return "r.big64()";
    case "string":
      return `${readString(e, nullable)}(r)`;
    case "bytes":
      return `${nullable ? "readBytesOrNull" : "readBytes"}(r, ${lengthOf(e)})`;
    case "records":
      return `${nullable ? "readRecordsOrNull" : "readRecords"}(r, ${lengthOf(e)})`;
    case "uuid":
      return "readUuid(r)";
    case "struct": {
      const read = `${emitDecoder(e, type.fields)}(r)`;
      if (!nullable) return read;
      // Kafka marks a null struct in two ways: 0 or 1 in a tag, -1 or 1 elsewhere.
      return tagged ? `r.uvarint() === 0 ? null : ${read}` : `r.i8() < 0 ? null : ${read}`;
    }
    case "array":
      return `${emitArrayDecoder(e, type.element, nullable)}(r)`;
    default:
      return `r.${type.kind}()`;
  }
}

function emitArrayDecoder(e: Emission, element: Type, nullable: boolean): string {
  return define(e, "r", [
    `const n = ${lengthOf(e)};`,
    nullable ? "if (n < 0) return null;" : "present(n);",
    "bounded(r, n);",
    "const all = [];",
    `for (let i = 0; i < n; i++) all.push(${readExpression(e, element, false)});`,
    "return all;",
  ]);
}

function emitDecoder(e: Emission, fields: Fields): string {
  const { plain, tagged } = split(e, fields);
  const body: string[] = [];
  for (const [name, field] of plain) {
    body.push(`const $${name} = ${readExpression(formOf(e, field), field.type, nullableAt(field, e.version))};`);
  }
  if (e.flexible) {
    for (const [name, field] of tagged) body.push(`let $${name} = ${literal(e, field.initial)};`);
    body.push("let unknown;");
    body.push("for (let n = r.uvarint(); n > 0; n--) {", "  const tag = r.uvarint(), size = r.uvarint();");
    body.push("  switch (tag) {");
    for (const [name, field] of tagged) {
      const read = readExpression(e, field.type, nullableAt(field, e.version), true);
      body.push(`    case ${field.tag}: $${name} = ${read}; break;`);
    }
    for (const field of Object.values(fields)) {
      if (field.tag < 0 || taggedAt(field, e.version)) continue;
      body.push(`    case ${field.tag}: invalidTag(tag, ${e.version});`);
    }
    body.push("    default: unknown = readUnknownTag(r, unknown, tag, size);", "  }", "}");
  }
  const present = new Set([...plain, ...tagged].map(([name]) => name));
  const members = Object.entries(fields).map(
    ([name, field]) => `${name}: ${present.has(name) ? `$${name}` : literal(e, field.initial)}`,
  );
  body.push(`const value = { ${members.join(", ")} };`);
  if (e.flexible) body.push("if (unknown !== undefined) value.unknownTags = unknown;");
  body.push("return value;");
  return define(e, "r", body);
}

function isDefault(e: Emission, field: Field, x: string): string {
  const { type, initial } = field;
  if (initial === null) return `${x} === null`;
  switch (type.kind) {
    case "bytes":
    case "records":
    case "array":
      return `${x} !== null && ${x}.length === 0`;
    case "struct":
      return `${x} === ${literal(e, initial)} || (${x} !== null && ${emitDefaultTest(e, type.fields)}(${x}))`;
    default:
      return `${x} === ${literal(e, initial)}`;
  }
}

function emitDefaultTest(e: Emission, fields: Fields): string {
  const body = Object.entries(fields).map(
    ([name, field]) => `{ const x = v.${name}; if (x !== undefined && !(${isDefault(e, field, "x")})) return false; }`,
  );
  return define(e, "v", [...body, "return v.unknownTags === undefined;"]);
}

/** Statements that write `x`, which is not undefined and, unless `nullable`, not null. */
function writeStatements(e: Emission, x: string, options: WriteOptions): string {
  const { type, nullable } = options;
  const length = (count: string) => (e.flexible ? `w.uvarint(${count} + 1);` : `w.i32(${count});`);
  const none = e.flexible ? "w.uvarint(0);" : "w.i32(-1);";
  const orNull = (nothing: string, write: string) =>
    nullable ? `if (${x} === null) { ${nothing} } else { ${write} }` : write;
  switch (type.kind) {
    case "bool":
      return `w.i8(${x} ? 1 : 0);`;
    case "long":
      return `w.big64(${x});`;
    case "string":
      return orNull(e.flexible ? none : "w.i16(-1);", `${e.flexible ? "writeCompactString" : "writeString"}(w, ${x});`);
    case "bytes":
      return orNull(none, `${length(`${x}.length`)} ${options.inTag ? `w.raw(${x});` : `writePayload(w, ${x});`}`);
    case "records":
      return orNull(none, `${length(`totalLength(${x})`)} writeChunks(w, ${x});`);
    case "uuid":
      return `writeUuid(w, ${x});`;
    case "struct": {
      const write = `${emitEncoder(e, type.fields, options.path, options.inTag)}(w, ${x});`;
      const nothing = options.tagged === true ? 0 : -1;
      return nullable ? `if (${x} === null) w.i8(${nothing}); else { w.i8(1); ${write} }` : write;
    }
    case "array":
      return orNull(none, `${length(`${x}.length`)} ${emitArrayEncoder(e, type.element, options)}(w, ${x});`);
    default:
      return `w.${type.kind}(${x});`;
  }
}

interface WriteOptions {
  readonly type: Type;
  readonly nullable: boolean;
  /** Name of the value in error messages. */
  readonly path: string;
  /** True inside a tag. Its size precedes it, so nothing in it may be spliced. */
  readonly inTag: boolean;
  /** True for the value of a tag itself. */
  readonly tagged?: true;
}

function emitArrayEncoder(e: Emission, element: Type, { path, inTag }: WriteOptions): string {
  const write = writeStatements(e, "x", { type: element, nullable: false, path, inTag });
  return define(e, "w, all", [`for (let i = 0; i < all.length; i++) { const x = all[i]; ${write} }`]);
}

const NEVER_NULL: ReadonlySet<string> = new Set([
  "bool",
  "i8",
  "i16",
  "u16",
  "i32",
  "u32",
  "i64",
  "long",
  "f64",
  "uuid",
]);

function nullTest(e: Emission, field: Field, path: string): string {
  if (nullableAt(field, e.version) || NEVER_NULL.has(field.type.kind)) return "";
  return `if (x === null) forbiddenNull(${JSON.stringify(path)}, ${e.version}); `;
}

function emitEncoder(e: Emission, fields: Fields, path: string, inTag: boolean): string {
  const { plain, tagged } = split(e, fields);
  const body: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (presentAt(field, e.version) || field.ignorable) continue;
    const report = `unsupported(${JSON.stringify(`${path}.${name}`)}, ${e.version})`;
    body.push(`{ const x = v.${name}; if (x !== undefined && !(${isDefault(e, field, "x")})) ${report}; }`);
  }
  for (const [name, field] of plain) {
    const at = `${path}.${name}`;
    const write = writeStatements(formOf(e, field), "x", {
      type: field.type,
      nullable: nullableAt(field, e.version),
      path: at,
      inTag,
    });
    const take = `let x = v.${name}; if (x === undefined) x = ${literal(e, field.initial)};`;
    body.push(`{ ${take} ${nullTest(e, field, at)}${write} }`);
  }
  if (e.flexible) body.push(...tagStatements(e, tagged, path));
  else
    body.push(`if (v.unknownTags !== undefined) unsupported(${JSON.stringify(`${path}.unknownTags`)}, ${e.version});`);
  return define(e, "w, v", body);
}

function tagStatements(e: Emission, tagged: readonly [string, Field][], path: string): string[] {
  const body = ["const unknown = v.unknownTags;", "let n = unknown === undefined ? 0 : unknown.length;"];
  for (const [name, field] of tagged) {
    body.push(`const $${name} = v.${name};`);
    body.push(`const has${field.tag} = $${name} !== undefined && !(${isDefault(e, field, `$${name}`)});`);
    body.push(`if (has${field.tag}) n++;`);
  }
  body.push("w.uvarint(n);", "if (n === 0) return;");
  let after = -1;
  for (const [name, field] of tagged) {
    const at = `${path}.${name}`;
    const nullable = nullableAt(field, e.version);
    const write = writeStatements(e, "x", { type: field.type, nullable, path: at, inTag: true, tagged: true });
    body.push(`if (unknown !== undefined) writeUnknownTags(w, unknown, ${after}, ${field.tag});`);
    body.push(`if (has${field.tag}) {`, `  const x = $${name}; ${nullTest(e, field, at)}`);
    body.push(`  w.uvarint(${field.tag}); const at = w.position;`, `  ${write}`, "  prefixSize(w, at);", "}");
    after = field.tag;
  }
  body.push(`if (unknown !== undefined) writeUnknownTags(w, unknown, ${after}, Infinity);`);
  return body;
}
