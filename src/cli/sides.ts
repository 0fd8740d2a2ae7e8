/** What `--base` and `--head` name: a git ref, a directory, a start command or a URL. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { PerfoptError } from "../core/errors.ts";

export type SideSource =
  | { readonly kind: "ref"; readonly ref: string }
  | { readonly kind: "directory"; readonly directory: string }
  /** Started instead of the target file's command, in the target file's directory. */
  | { readonly kind: "command"; readonly words: readonly string[] }
  | { readonly kind: "url"; readonly url: string };

/**
 * `ref:`, `dir:`, `command:` and `http(s)://` say it; without one, an existing directory whose name is written as a path is one,
 * and everything else is a ref. Throws bad-input for what is none of them.
 */
export function parseSide(option: "--base" | "--head", text: string, from: string): SideSource {
  if (/^https?:\/\//i.test(text)) return urlSide(option, text);
  const [, kind, rest = ""] = /^(ref|dir|command):(.*)$/s.exec(text) ?? [];
  const given = rest.trim();
  if (kind !== undefined && given === "") {
    throw badSide(option, text, `expected something after ${kind}:`);
  }
  if (kind === "ref") return { kind: "ref", ref: given };
  if (kind === "command") return { kind: "command", words: given.split(/\s+/) };
  if (kind === "dir") return directorySide(option, given, from);
  if (/^\.{0,2}\/|^\.{1,2}$/.test(text)) return directorySide(option, text, from);
  return { kind: "ref", ref: text };
}

function urlSide(option: string, text: string): SideSource {
  if (!URL.canParse(text)) throw badSide(option, text, "it is not a URL");
  return { kind: "url", url: text };
}

function directorySide(option: string, text: string, from: string): SideSource {
  const directory = resolve(from, text);
  if (existsSync(directory) && statSync(directory).isDirectory()) {
    return { kind: "directory", directory };
  }
  throw badSide(option, text, "there is no such directory");
}

function badSide(option: string, text: string, what: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `${option} ${text}: ${what}`,
    "give a git ref, a directory such as ./old, command:PROGRAM ARGUMENTS, or a URL",
  );
}
