import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { present, run, runToEnd } from "./process.ts";

const POM = join(import.meta.dirname, "..", "java", "pom.xml");

/** Kafka's jars and a Java to run them with. */
export interface Java {
  readonly classPath: string;
}

/** What is missing, by name, or Kafka ready to run. `folder` keeps the class path for the next time. */
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

const command = (java: Java, main: string, args: readonly string[]): string[] => [
  ...["-Xmx512m", "-cp", java.classPath, main],
  ...args,
];

/** Runs a Java program with Kafka's jars; gives what it printed. Rejects when it fails. */
export function runJava(java: Java, main: string, args: readonly string[]): Promise<string> {
  return run("java", command(java, main, args));
}

/** The same for a program that is judged by what it printed alone. */
export async function runJavaToAnyEnd(java: Java, main: string, args: readonly string[]): Promise<string> {
  return (await runToEnd("java", command(java, main, args))).output;
}

/** Runs a program of ours, a source file beside the list of jars. */
export function runJavaFile(java: Java, file: string, args: readonly string[]): Promise<string> {
  return run("java", command(java, join(import.meta.dirname, "..", "java", file), args));
}
