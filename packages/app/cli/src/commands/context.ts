import { checkContext, contextNamed, contextsFile, readContexts, writeContexts } from "../settings/contexts.ts";
import { Failure } from "../terminal/failure.ts";
import { printTable } from "../terminal/table.ts";
import { pair } from "../settings/pair.ts";

interface Json {
  readonly json?: boolean;
}

/** `samsa context list`: names and servers, with references to secrets, never the secrets. */
export function list({ json }: Json): void {
  const { current, contexts } = readContexts();
  const all = Object.entries(contexts).sort(([a], [b]) => (a < b ? -1 : 1));
  if (json === true) {
    const shown = all.map(([name, context]) => ({ name, isCurrent: name === current, ...context }));
    return console.log(JSON.stringify(shown));
  }
  const rows = all.map(([name, { servers, properties }]) => [
    ...[name === current ? "*" : "", name, servers],
    Object.keys(properties).sort().join(", "),
  ]);
  printTable(["", "NAME", "SERVERS", "PROPERTIES"], rows);
}

interface SetOptions {
  readonly bootstrapServer?: string;
  readonly property: readonly string[];
  readonly deleteProperty: readonly string[];
}

/** `samsa context set`: makes a context, or changes what is given. */
export function set(name: string, options: SetOptions): void {
  const { current, contexts } = readContexts();
  const present = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  const servers = options.bootstrapServer ?? present?.servers;
  if (servers === undefined) throw new Failure(`a new context wants --bootstrap-server`);
  const properties = new Map(Object.entries(present?.properties ?? {}));
  for (const key of options.deleteProperty) {
    if (!properties.delete(key)) throw new Failure(`context ${name} has no property ${key}`);
  }
  for (const text of options.property) {
    // A text without = may be a secret, so it is not repeated.
    if (text.indexOf("=") <= 0) throw new Failure("--property wants key=value");
    const { name: key, value } = pair(text, "--property");
    properties.set(key, value);
  }
  const context = { servers, properties: Object.fromEntries(properties) };
  checkContext(name, context);
  writeContexts({ current, contexts: Object.fromEntries([...Object.entries(contexts), [name, context]]) });
  console.log(`Set context ${name} in ${contextsFile()}.`);
}

/** `samsa context use`. Without a name, commands use no context. */
export function use(name: string | undefined): void {
  const all = readContexts();
  if (name !== undefined) contextNamed(all, name);
  writeContexts({ ...all, current: name ?? null });
  console.log(name === undefined ? "Commands use no context." : `Commands use context ${name}.`);
}

/** `samsa context delete`. */
export function remove(names: readonly string[]): void {
  const all = readContexts();
  for (const name of names) contextNamed(all, name);
  const contexts = Object.fromEntries(Object.entries(all.contexts).filter(([name]) => !names.includes(name)));
  const current = all.current !== null && names.includes(all.current) ? null : all.current;
  writeContexts({ current, contexts });
  for (const name of names) console.log(`Deleted context ${name}.`);
}
