import { posix } from "node:path";
import {
  isBlock,
  isClassDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isIdentifier,
  isImportDeclaration,
  isInterfaceDeclaration,
  isNamedExports,
  isNamedImports,
  isPrivateIdentifier,
  isPropertyDeclaration,
  isStringLiteral,
  isTypeAliasDeclaration,
  isVariableDeclaration,
  isVariableStatement,
} from "typescript/unstable/ast/is";
import type { Node, Statement } from "typescript/unstable/ast";
import { lineAt, type ParsedFile } from "./program.ts";

/** Package of the repository. */
export interface Package {
  readonly name: string;
  /** Folder under `packages/`. */
  readonly folder: string;
  /** Programs outside the repository import its index. */
  readonly isPublic?: true;
}

/** Name that the index of a package exports. */
export interface Export {
  readonly package: Package;
  readonly name: string;
  /** Statements that declare it: one, or a type and a value of the same name. */
  readonly declarations: readonly Declaration[];
}

/** Statement that declares a name. */
export interface Declaration {
  readonly file: ParsedFile;
  readonly statement: Statement;
}

/** Parsed sources of the repository, by path. */
export type Files = ReadonlyMap<string, ParsedFile>;

function names(statement: Statement): string[] {
  if (isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => (isIdentifier(name) ? [name.text] : []));
  }
  const isNamed =
    isFunctionDeclaration(statement) ||
    isClassDeclaration(statement) ||
    isInterfaceDeclaration(statement) ||
    isTypeAliasDeclaration(statement);
  return isNamed && statement.name !== undefined ? [statement.name.text] : [];
}

/** Names that a statement exports again, each with the file and the name that it has there. */
function reexports(file: ParsedFile, statement: Statement): { name: string; from: string; original: string }[] {
  if (!isExportDeclaration(statement) || statement.exportClause === undefined) return [];
  const { exportClause, moduleSpecifier } = statement;
  if (!isNamedExports(exportClause)) return [];
  const from =
    moduleSpecifier !== undefined && isStringLiteral(moduleSpecifier)
      ? posix.join(posix.dirname(file.path), moduleSpecifier.text)
      : file.path;
  return exportClause.elements.map(({ name, propertyName }) => ({
    name: name.text,
    from,
    original: (propertyName ?? name).text,
  }));
}

function declarationsOf(files: Files, path: string, name: string): Declaration[] {
  const file = files.get(path);
  if (file === undefined) return [];
  const declared = file.tree.statements.filter(statement => names(statement).includes(name));
  if (declared.length > 0) return declared.map(statement => ({ file, statement }));
  return file.tree.statements
    .flatMap(statement => reexports(file, statement))
    .filter(one => one.name === name && one.from !== path)
    .flatMap(({ from, original }) => declarationsOf(files, from, original));
}

/** Lists the exports of the indexes of all packages. */
export function indexExports(files: Files, packages: readonly Package[]): Export[] {
  return packages.flatMap(owner => {
    const path = `packages/${owner.folder}/src/index.ts`;
    const file = files.get(path);
    if (file === undefined) return [];
    return file.tree.statements
      .flatMap(statement => [...names(statement), ...reexports(file, statement).map(({ name }) => name)])
      .map(name => ({ package: owner, name, declarations: declarationsOf(files, path, name) }));
  });
}

/** Names that files outside a package's sources import from it, by name of the package. */
function importedNames(files: Files, packages: readonly Package[]): Map<string, Set<string>> {
  const imported = new Map(packages.map(({ name }) => [name, new Set<string>()]));
  for (const file of files.values()) {
    for (const statement of file.tree.statements) {
      if (!isImportDeclaration(statement) || !isStringLiteral(statement.moduleSpecifier)) continue;
      const specifier = statement.moduleSpecifier.text;
      const owner = packages.find(({ name }) => name === specifier);
      const bindings = statement.importClause?.namedBindings;
      if (owner === undefined || bindings === undefined || !isNamedImports(bindings)) continue;
      if (file.path.startsWith(`packages/${owner.folder}/src/`)) continue;
      for (const one of bindings.elements) imported.get(owner.name)?.add((one.propertyName ?? one.name).text);
    }
  }
  return imported;
}

/** Names in the signature of a declaration: bodies of functions and private members are left out. */
function mentioned(statement: Statement): Set<string> {
  const found = new Set<string>();
  const visit = (node: Node): void => {
    if (isBlock(node)) return;
    if (isIdentifier(node)) found.add(node.text);
    const isPrivate = "name" in node && typeof node.name === "object" && isPrivateIdentifier(node.name as Node);
    if (isPrivate) return;
    const typed = (isPropertyDeclaration(node) || isVariableDeclaration(node)) && node.type !== undefined;
    if (typed) visit(node.type as Node);
    else node.forEachChild(visit);
  };
  statement.forEachChild(visit);
  return found;
}

/**
 * Describes the exports of indexes that no other package imports. A type is needed, too, if the signature of another
 * export names it.
 */
export function unusedExports(files: Files, packages: readonly Package[]): string[] {
  const imported = importedNames(files, packages);
  const all = indexExports(files, packages);
  const named = new Map(
    all.map(one => [one, new Set(one.declarations.flatMap(({ statement }) => [...mentioned(statement)]))]),
  );
  const isNeeded = (one: Export): boolean => {
    if (one.package.isPublic === true || imported.get(one.package.name)?.has(one.name) === true) return true;
    const isType = one.declarations.every(
      ({ statement }) =>
        isInterfaceDeclaration(statement) || isTypeAliasDeclaration(statement) || isClassDeclaration(statement),
    );
    return (
      isType && all.some(other => other !== one && other.package === one.package && named.get(other)?.has(one.name))
    );
  };
  return all.filter(one => !isNeeded(one)).map(one => `${one.package.name}: ${one.name}`);
}

/** Describes re-exports and imports without names: `export * from` anywhere, `import * as` of a package in `packages`. */
export function namelessImports(files: Files, packages: readonly Package[]): string[] {
  return [...files.values()].flatMap(file =>
    file.tree.statements.flatMap(statement => {
      const where = `${file.path}:${lineAt(file, statement.getStart())}`;
      if (isExportDeclaration(statement)) {
        const isNamed = statement.exportClause !== undefined && isNamedExports(statement.exportClause);
        return isNamed ? [] : [`${where}: export by name`];
      }
      if (!isImportDeclaration(statement) || !isStringLiteral(statement.moduleSpecifier)) return [];
      const specifier = statement.moduleSpecifier.text;
      const bindings = statement.importClause?.namedBindings;
      const isNamed = bindings === undefined || isNamedImports(bindings);
      return isNamed || packages.every(({ name }) => name !== specifier) ? [] : [`${where}: import by name`];
    }),
  );
}
