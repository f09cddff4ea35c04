import type { CommandWords, OptionWords } from "./command-tree.ts";

/** Shells for which there is a script. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** Shell for which there is a script. */
export type Shell = (typeof SHELLS)[number];

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const pathText = ({ path }: CommandWords): string => path.join(" ");

/** Options with an argument, each name with the values that it may have. */
function withArgument({ options }: CommandWords): readonly (readonly [name: string, choices: readonly string[]])[] {
  return options
    .filter(({ hasArgument }) => hasArgument)
    .flatMap(({ names, choices }) => names.map(name => [name, choices] as const));
}

/** Cases of a shell's `case`, which bash and zsh have in common. */
function cases(tree: readonly CommandWords[]): {
  readonly words: string;
  readonly values: string;
  readonly steps: string;
} {
  const words = tree.map(node => {
    const commands = node.commands.map(({ name }) => name).join(" ");
    const options = node.options.flatMap(({ names }) => names).join(" ");
    return `    ${quoted(pathText(node))}) commands=${quoted(commands)}; options=${quoted(options)} ;;`;
  });
  const values = tree.flatMap(node =>
    withArgument(node).map(
      ([name, choices]) =>
        `    ${quoted(`${pathText(node)} ${name}`)}) values=${quoted(choices.join(" "))}; takes=1 ;;`,
    ),
  );
  const steps = tree.filter(({ path }) => path.length > 1).map(node => quoted(pathText(node)));
  return { words: words.join("\n"), values: values.join("\n"), steps: steps.join("|") };
}

function bash(tree: readonly CommandWords[]): string {
  const { words, values, steps } = cases(tree);
  const [root] = tree;
  return `# Completion of samsa for bash: eval "$(samsa completion bash)"
_samsa() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} path=${root?.path[0]} i
  local commands='' options='' values='' takes=''
  [[ \${COMP_WORDS[0]##*/} == kafka-* ]] && { path="samsa \${COMP_WORDS[0]##*/}"; path=\${path%.sh}; }
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
    ${steps}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path $previous" in
${values}
  esac
  if [[ $takes ]]; then
    # Without a list, bash completes names of files.
    [[ $values ]] && COMPREPLY=($(compgen -W "$values" -- "$current")) || COMPREPLY=()
    return
  fi
  case $path in
${words}
  esac
  if [[ $current == -* || ! $commands ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  fi
}
complete -o default -F _samsa samsa
`;
}

function zsh(tree: readonly CommandWords[]): string {
  const { words, values, steps } = cases(tree);
  const [root] = tree;
  return `#compdef samsa
# Completion of samsa for zsh: samsa completion zsh > "\${fpath[1]}/_samsa"
_samsa() {
  local path=${root?.path[0]} commands='' options='' values='' takes='' i
  for ((i = 2; i < CURRENT; i++)); do
    case "$path \${words[i]}" in
    ${steps}) path="$path \${words[i]}" ;;
    esac
  done
  case "$path \${words[CURRENT - 1]}" in
${values}
  esac
  if [[ -n $takes ]]; then
    if [[ -n $values ]]; then compadd -- \${=values}; else _files; fi
    return
  fi
  case $path in
${words}
  esac
  if [[ $PREFIX == -* || -z $commands ]]; then compadd -- \${=options}; else compadd -- \${=commands}; fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _samsa "$@"; else compdef _samsa samsa; fi
`;
}

function fishOption(node: CommandWords, { names, description, hasArgument, choices }: OptionWords): string {
  const flags = names.map(name => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(" ");
  const argument = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : hasArgument ? " -r" : "";
  return `complete -c samsa -n ${quoted(`__samsa_at ${pathText(node)}`)} ${flags}${argument} -d ${quoted(description)}`;
}

function fish(tree: readonly CommandWords[]): string {
  const steps = tree.filter(({ path }) => path.length > 1).map(node => quoted(pathText(node)));
  const lines = tree.flatMap(node => [
    ...node.commands.map(
      ({ name, description }) =>
        `complete -c samsa -n ${quoted(`__samsa_at ${pathText(node)}`)} -f -a ${name} -d ${quoted(description)}`,
    ),
    ...node.options.map(option => fishOption(node, option)),
  ]);
  return `# Completion of samsa for fish: samsa completion fish > ~/.config/fish/completions/samsa.fish
function __samsa_at
  set -l place samsa
  for word in (commandline -opc)[2..-1]
    if contains -- "$place $word" ${steps.join(" ")}
      set place "$place $word"
    end
  end
  test "$place" = "$argv"
end
${lines.join("\n")}
`;
}

const SCRIPTS = { bash, zsh, fish } as const;

/** Script that completes the commands of a tree in a shell. */
export function completionScript(shell: Shell, tree: readonly CommandWords[]): string {
  return SCRIPTS[shell](tree);
}
