import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkTranscript } from "../../coordinator/test/transcript.ts";
import { QuorumCommands } from "./quorum-commands.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
const FILES = readdirSync(FOLDER).toSorted();

test("there are transcripts", () => {
  expect(FILES).not.toEqual([]);
});

test.each(FILES)("%s is what its commands print", file => {
  checkTranscript(join(FOLDER, file), new QuorumCommands().play);
});
