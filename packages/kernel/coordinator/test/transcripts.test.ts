import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GroupCommands } from "./group-commands.ts";
import { checkTranscript, type Command, played } from "./transcript.ts";
import { TxnCommands } from "./txn-commands.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
const FILES = readdirSync(FOLDER).toSorted();

describe("transcripts", () => {
  test.each(FILES)("%s is what its commands print", file => {
    const { play } = file.startsWith("transactions") ? new TxnCommands() : new GroupCommands();
    checkTranscript(join(FOLDER, file), play);
  });

  test("keep comments and empty lines, and lose old output", () => {
    const say = (command: Command) => [`${command.verb} ${command.words.join()} ${command.take("b", "")}`];
    const text = "# A comment.\n\n> say a b=1\n  old\n";
    expect(played(text, say)).toBe("# A comment.\n\n> say a b=1\n  say a 1\n");
    expect(() => played("> say c=1", () => [])).toThrow("no option c");
  });
});
