/** What commands take from the process they run in: streams, environment, folders, interruption. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { Chalk, type ChalkInstance } from "chalk";
import { redactSecrets } from "../core/errors.ts";
import { perfoptHome } from "../target/home.ts";

export interface Context {
  /** As typed, without node and script. */
  readonly args: readonly string[];
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** The installed package: profiles lie beside the code. */
  readonly packageDirectory: string;
  readonly profilesDirectory: string;
  readonly home: string;
  readonly version: string;
  /** A person is watching stderr: a spinner may be drawn. */
  readonly interactive: boolean;
  /** For stderr. */
  readonly style: Style;
  /** For stdout, which may be a file while stderr is a terminal. */
  readonly styleOut: Style;
  /** Fires on the first Ctrl-C or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** What the command's end means for the shell, where it did what it was asked: 1 a failed gate or SLO, 3 nothing to go by. */
  readonly exitWith: (code: 0 | 1 | 3) => void;
  readonly exitCode: () => 0 | 1 | 3;
  /** Takes the signal handlers off again. */
  readonly close: () => void;
}

export interface Style {
  readonly good: ChalkInstance;
  readonly bad: ChalkInstance;
  readonly warn: ChalkInstance;
  readonly dim: ChalkInstance;
  readonly strong: ChalkInstance;
}

export function contextOf(args: readonly string[]): Context {
  const packageDirectory = fileURLToPath(new URL("../..", import.meta.url));
  const interactive = process.stderr.isTTY && process.env["CI"] === undefined;
  const { signal, close } = interruption();
  let exitCode: 0 | 1 | 3 = 0;
  return {
    exitWith: (code) => {
      exitCode = code;
    },
    exitCode: () => exitCode,
    args: args.map(redactSecrets),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    directory: process.cwd(),
    packageDirectory,
    profilesDirectory: join(packageDirectory, "profiles"),
    home: perfoptHome(process.env),
    version: versionOf(packageDirectory),
    interactive,
    style: styleOf(process.stderr.isTTY && process.env["NO_COLOR"] === undefined),
    styleOut: styleOf(process.stdout.isTTY && process.env["NO_COLOR"] === undefined),
    signal,
    close,
  };
}

function styleOf(colour: boolean): Style {
  const chalk = new Chalk({ level: colour ? 1 : 0 });
  return {
    good: chalk.green,
    bad: chalk.red,
    warn: chalk.yellow,
    dim: chalk.dim,
    strong: chalk.bold,
  };
}

function versionOf(packageDirectory: string): string {
  const text = readFileSync(join(packageDirectory, "package.json"), "utf8");
  const manifest: unknown = JSON.parse(text);
  const found =
    typeof manifest === "object" && manifest !== null && "version" in manifest
      ? manifest.version
      : "";
  return String(found);
}

function interruption(): { signal: AbortSignal; close: () => void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write(
      "\ninterrupted: undoing what this run changed (press Ctrl-C again to leave it)\n",
    );
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    close: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
