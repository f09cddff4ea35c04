import type { Node } from "typescript/unstable/ast";
import { isExpressionStatement, isImportDeclaration } from "typescript/unstable/ast/is";
import { type Files, indexExports, type Package } from "./exports.ts";
import { FOLDERS_OF_DECLARATIONS } from "./layers.ts";
import { lineAt, type ParsedFile } from "./program.ts";

/** True if the comment at the head of the file documents its declarations: the request, response and types of an API. */
function isDocumentedAtHead({ path, tree }: ParsedFile): boolean {
  return FOLDERS_OF_DECLARATIONS.some(folder => path.startsWith(`${folder}/`)) && tree.text.startsWith("/**");
}

/** Lists the declarations without a doc comment that the indexes of `packages` export. */
export function undocumentedExports(files: Files, packages: readonly Package[]): string[] {
  return indexExports(files, packages).flatMap(({ name, declarations }) =>
    declarations
      .filter(({ file, statement }) => statement.jsDoc === undefined && !isDocumentedAtHead(file))
      .map(({ file, statement }) => `${file.path}:${lineAt(file, statement.getStart())}: ${name}`),
  );
}

/** Ends of the doc comments that document a declaration. */
function documentedEnds(file: ParsedFile): Set<number> {
  const ends = new Set<number>();
  const visit = (node: Node): void => {
    const last = node.jsDoc?.at(-1);
    const isDeclaration =
      !isImportDeclaration(node) && !isExpressionStatement(node) && node !== file.tree.endOfFileToken;
    if (last !== undefined && isDeclaration) ends.add(last.end);
    node.forEachChild(visit);
  };
  visit(file.tree);
  return ends;
}

/**
 * Lists the doc comments that document nothing. A comment at the head of a file documents the file, and one before a
 * variant of a union documents that.
 */
export function orphanComments(file: ParsedFile): string[] {
  const ends = documentedEnds(file);
  return [...file.tree.text.matchAll(/^[ \t]*\/\*\*[^]*?\*\//gm)]
    .filter(({ index, 0: comment }) => {
      const end = index + comment.length;
      return index > 0 && !ends.has(end) && !/^\s*[|&]/.test(file.tree.text.slice(end, end + 100));
    })
    .map(({ index }) => `${file.path}:${lineAt(file, index)}`);
}
