import type { CallExpression, Expression, Node } from "typescript/unstable/ast";
import {
  isArrowFunction,
  isAwaitExpression,
  isBlock,
  isCallExpression,
  isCatchClause,
  isExpressionStatement,
  isFunctionExpression,
  isIdentifier,
  isParenthesizedExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  isVoidExpression,
} from "typescript/unstable/ast/is";
import { type Type, TypeFlags } from "typescript/unstable/sync";
import { lineAt, type ParsedFile } from "./program.ts";

/** True for `() => {}` and `() => undefined`. */
function isEmptyFunction(node: Node): boolean {
  if (!isArrowFunction(node) && !isFunctionExpression(node)) return false;
  const { body } = node;
  if (body === undefined) return false;
  return isBlock(body) ? body.statements.length === 0 : isIdentifier(body) && body.text === "undefined";
}

/** True if `node` handles errors: the handler of a promise's rejection, or a listener of `error`. */
function isErrorHandler(node: Node): boolean {
  const call = node.parent;
  if (!isCallExpression(call) || !isPropertyAccessExpression(call.expression)) return false;
  const [first, second] = call.arguments;
  switch (call.expression.name.text) {
    case "catch":
      return first === node;
    case "then":
      return second === node;
    case "on":
    case "once":
      return second === node && first !== undefined && isStringLiteral(first) && first.text === "error";
    default:
      return false;
  }
}

function isPromise({ checker }: ParsedFile, expression: Expression): boolean {
  const type = checker.getTypeAtLocation(expression);
  return type !== undefined && checker.getPropertyOfType(type, "then") !== undefined;
}

function describe(file: ParsedFile, node: Node, isTest: boolean): string | undefined {
  if (isCatchClause(node)) return node.block.statements.length === 0 ? "an empty catch block" : undefined;
  if (isVoidExpression(node)) {
    return !isTest && isPromise(file, node.expression) ? "a promise that nobody handles" : undefined;
  }
  if (!isEmptyFunction(node)) return undefined;
  if (isErrorHandler(node)) return "an error that is dropped without a reason";
  const isBlockBody = "body" in node && isBlock(node.body as Node);
  return isBlockBody && !isTest ? "a callback that does nothing, without a reason" : undefined;
}

/**
 * Lists the places of a source that swallow an error or an event: empty catch blocks, `void` before a promise, handlers
 * that do nothing. `ignored(reason)` of `@samsa/base` is a handler that may do nothing. In tests, callbacks other than
 * handlers of errors may do nothing, too, and a promise that rejects fails the run.
 */
export function swallowed(file: ParsedFile, isTest: boolean): string[] {
  const faults: string[] = [];
  const visit = (node: Node): void => {
    const fault = describe(file, node, isTest);
    if (fault !== undefined) faults.push(`${file.path}:${lineAt(file, node.getStart())}: ${fault}`);
    node.forEachChild(visit);
  };
  visit(file.tree);
  return faults;
}

/** Call whose result is dropped. */
interface Dropped {
  readonly file: ParsedFile;
  readonly call: CallExpression;
  readonly whole: Expression;
}

function droppedCalls(file: ParsedFile): Dropped[] {
  const found: Dropped[] = [];
  const visit = (node: Node): void => {
    if (isExpressionStatement(node) || isVoidExpression(node)) {
      let call = node.expression;
      while (isAwaitExpression(call) || isParenthesizedExpression(call)) call = call.expression;
      if (isCallExpression(call)) found.push({ file, call, whole: node.expression });
    }
    node.forEachChild(visit);
  };
  visit(file.tree);
  return found;
}

const RESULT = TypeFlags.NumberLike | TypeFlags.BooleanLike;

/** True if the type, a member of the union, or the number under a brand is a number or a boolean. */
function hasResult(type: Type): boolean {
  if ((type.flags & RESULT) !== 0) return true;
  return (type.isUnionType() || type.isIntersectionType()) && type.getTypes().some(hasResult);
}

/** True if the type is a number, a boolean, or an error of the protocol. */
function isResult({ checker }: ParsedFile, type: Type): boolean {
  if (hasResult(type)) return true;
  return ["errorCode", "code"].some(name => checker.getPropertyOfType(type, name) !== undefined);
}

/**
 * Lists the calls of the repository's own functions whose result is dropped although it may be an error: a number, a
 * boolean, or an object with an error code. Each is given as its file and the name of the function, once.
 */
export function droppedResults(files: readonly ParsedFile[]): string[] {
  const found = files.flatMap(file => {
    const dropped = droppedCalls(file);
    const types = file.checker.getTypeAtLocation(dropped.map(({ whole }) => whole));
    return dropped.flatMap(({ call }, i) => {
      const type = types[i];
      if (type === undefined || !isResult(file, type)) return [];
      const callee = isPropertyAccessExpression(call.expression) ? call.expression.name : call.expression;
      const symbol = file.checker.getSymbolAtLocation(callee);
      const isOwn = symbol?.declarations.some(({ path }) => path.includes("/packages/")) === true;
      return isOwn ? [`${file.path} ${callee.getText()}`] : [];
    });
  });
  return [...new Set(found)];
}
