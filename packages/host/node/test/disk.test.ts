import { DiskError, fromUtf8, utf8 } from "@samsa/base";
import { nodeDisk } from "@samsa/node";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = mkdtempSync(join(tmpdir(), "samsa-node-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const disk = nodeDisk();

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof DiskError ? error.code : "not a DiskError";
  }
  return "nothing thrown";
}

test("a file keeps what gathered writes put into it", async () => {
  const path = join(root, "a.log");
  expect(codeOf(() => disk.open(path, "write"))).toBe("ENOENT");
  const file = disk.open(path, "create");
  // A single system call does not take this many chunks.
  const chunks = Array.from({ length: 3000 }, (_, i) => utf8(`${i},`));
  file.write(chunks, 5);
  const text = chunks.map(fromUtf8).join("");
  expect(file.size()).toBe(5 + text.length);
  await file.sync();
  const back = new Uint8Array(text.length + 10);
  expect(await file.readLater(back, 5)).toBe(text.length);
  expect(fromUtf8(back.subarray(0, text.length))).toBe(text);
  expect(file.read(back.subarray(0, 4), 5)).toBe(4);
  file.truncate(6);
  expect(file.read(back, 0)).toBe(6);
  file.write([new Uint8Array(0), utf8("x")], 6);
  file.write([], 0);
  expect(file.size()).toBe(7);
  file.syncNow();
  const pending = file.sync();
  file.close();
  await pending;
  const readOnly = disk.open(path, "read");
  expect(codeOf(() => readOnly.write([utf8("no")], 0))).toBe("EBADF");
  readOnly.close();
});

test("directories, renames and removals", async () => {
  const dir = join(root, "topic-0", "deep");
  disk.makeDirectory(dir);
  disk.makeDirectory(dir);
  for (const name of ["a", "b"]) {
    const file = disk.open(`${dir}/${name}`, "create");
    file.write([utf8(name)], 0);
    file.close();
  }
  disk.rename(`${dir}/a`, `${dir}/b`);
  disk.syncDirectoryNow(dir);
  await disk.syncDirectory(dir);
  expect(disk.list(dir)).toEqual([{ name: "b", directory: false }]);
  expect(disk.stat(`${dir}/b`)).toMatchObject({ size: 1, directory: false });
  expect(disk.stat(`${dir}/a`)).toBeUndefined();
  expect(disk.stat(`${dir}/b/c`)).toBeUndefined();
  expect(codeOf(() => disk.removeFile(`${dir}/a`))).toBe("ENOENT");
  const { total, usable } = await disk.space(dir);
  expect(usable).toBeGreaterThan(0);
  expect(total).toBeGreaterThan(usable);
  await expect(disk.space(`${dir}/nothing`)).rejects.toMatchObject({ name: "DiskError", code: "ENOENT" });
  await expect(disk.syncDirectory(`${dir}/a`)).rejects.toMatchObject({ name: "DiskError", code: "ENOENT" });
  await disk.removeTree(`${dir}/b`);
  await disk.removeTree(`${dir}/b`);
  expect(disk.list(dir)).toEqual([]);
  await disk.removeTree(join(root, "topic-0"));
  expect(disk.stat(dir)).toBeUndefined();
  expect(codeOf(() => disk.list(dir))).toBe("ENOENT");
});

test("a lock excludes within the process, and outlives neither release nor kill -9", async () => {
  const path = join(root, ".lock");
  const mine = disk.lock(path);
  expect(mine).toBeDefined();
  expect(disk.lock(path)).toBeUndefined();
  mine?.release();
  mine?.release();

  const program = `import { nodeDisk } from "@samsa/node";
    const lock = nodeDisk().lock(process.argv[1]);
    console.log(lock ? "held" : "refused");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, path], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  expect(said.toString()).toBe("held\n");
  expect(disk.lock(path)).toBeUndefined();
  child.kill("SIGKILL");
  await once(child, "exit");
  const again = disk.lock(path);
  expect(again).toBeDefined();
  again?.release();
});
