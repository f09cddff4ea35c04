import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Command, present, run, runToEnd } from "./process.ts";

const POM = join(import.meta.dirname, "..", "java", "pom.xml");

/** Class path of Kafka's jars. */
export interface Java {
  readonly classPath: string;
}

/** Fetches Kafka's jars with Maven, or returns the name of the missing program. `folder` caches the class path. */
export async function findJava(folder: string): Promise<Java | { readonly missing: string }> {
  if (!present("java", "-version")) return { missing: "Java (the program java)" };
  const file = join(folder, "classpath.txt");
  if (!existsSync(file) || statSync(file).mtimeMs < statSync(POM).mtimeMs) {
    if (!present("mvn", "-version")) return { missing: "Maven (the program mvn), which fetches Kafka's jars" };
    mkdirSync(folder, { recursive: true });
    try {
      await run("mvn", ["-q", "-B", "-f", POM, "dependency:build-classpath", `-Dmdep.outputFile=${file}`]);
    } catch (error) {
      return { missing: `Kafka's jars, which Maven could not fetch: ${(error as Error).message}` };
    }
  }
  return { classPath: readFileSync(file, "utf8").trim() };
}

/** Command line of a Java program with Kafka's jars. */
export const javaProgram = (java: Java, main: string, args: readonly string[]): Command => ({
  program: "java",
  args: command(java, main, args),
});

const command = (java: Java, main: string, args: readonly string[]): string[] => [
  ...["-Xmx512m", "-cp", java.classPath, main],
  ...args,
];

/** Runs a Java program with Kafka's jars and returns its output. Rejects if it fails. */
export function runJava(java: Java, main: string, args: readonly string[]): Promise<string> {
  return run("java", command(java, main, args));
}

/** Runs a Java program with Kafka's jars and returns its output, whatever its exit code is. */
export async function runJavaToAnyEnd(java: Java, main: string, args: readonly string[]): Promise<string> {
  return (await runToEnd("java", command(java, main, args))).output;
}

/** Runs a Java source file of this package with Kafka's jars. */
export function runJavaFile(java: Java, file: string, args: readonly string[]): Promise<string> {
  return run("java", command(java, join(import.meta.dirname, "..", "java", file), args));
}
