const LONGEST_NAME = 249;

/** Error message for an invalid topic name; undefined if it is valid (`Topic.validate`). */
export function topicNameFault(name: string): string | undefined {
  const invalid = (why: string) => `Topic name is invalid: ${why}`;
  if (name === "") return invalid("the empty string is not allowed");
  if (name === "." || name === "..") return invalid(`'${name}' is not allowed`);
  if (name.length > LONGEST_NAME) {
    return invalid(`the length of '${name}' is longer than the max allowed length ${LONGEST_NAME}`);
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return invalid(`'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`);
  }
  return undefined;
}
