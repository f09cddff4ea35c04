// Plain JavaScript on purpose: it must be able to say one sentence on a Node that is too old for the rest.
const needed = 24;
const major = Number(process.versions.node.split(".")[0]);
const [name, ...rest] = process.argv.slice(2);
if (major < needed) {
  console.error(
    `Samsa needs Node ${needed} or newer and this is ${process.versions.node}. Run "npm ci" first: it brings the right one.`,
  );
  process.exit(1);
}
process.argv.splice(2, process.argv.length, ...rest);
await import(`./${name}.ts`);
