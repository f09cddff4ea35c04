/** Text of a version's section of CHANGELOG.md, without its title; undefined if there is none, or an empty one. */
export function notesOf(changelog: string, version: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find(text => /^\[?([^\]\s]+)/.exec(text)?.[1] === version);
  const text = section?.slice(section.indexOf("\n")).trim() ?? "";
  return text === "" ? undefined : `${text}\n`;
}
