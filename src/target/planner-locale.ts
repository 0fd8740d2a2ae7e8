/** Databases that compare and sort as another server's does, or as nearly as this machine can. */
import type { Client } from "pg";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { DatabaseLocale } from "../core/planner.ts";
import { quoteName, quoteText } from "../core/index-definition.ts";
import { rowsOf } from "./sql.ts";

const NATIVE = /^(?:C|POSIX)$/;
const CODE_POINT = /^C\.utf-?8$/i;

interface Request {
  readonly name: string;
  readonly locale: DatabaseLocale;
  readonly major: number;
}

/** One way to make the database. */
interface Attempt {
  readonly options: readonly string[];
  /** What it is not like; undefined: exactly as asked. */
  readonly caveat: string | undefined;
}

/** Returns what could not be had as asked. Throws PerfoptError when not even the plainest locale can be had. */
export async function createPlannerDatabase(
  client: Client,
  request: Request,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const { options, caveat } of await attempts(client, request)) {
    try {
      await client.query(
        `CREATE DATABASE ${quoteName(request.name)} TEMPLATE template0 ${options.join(" ")}`,
      );
      return caveat === undefined ? [] : [caveat];
    } catch (error) {
      if (!isAboutLocale(error)) throw error;
      failures.push(messageOf(error));
    }
  }
  throw new PerfoptError(
    "cannot-measure",
    `no database like the source's (${describe(request.locale)}) can be made: ${failures.join("; ")}`,
    "install the locale on this machine, or name a PostgreSQL that has it: --postgres-bin DIR",
  );
}

/** The best first. */
async function attempts(client: Client, request: Request): Promise<readonly Attempt[]> {
  const { locale, major } = request;
  const wanted = describe(locale);
  const lacks = (instead: string) =>
    `this machine's PostgreSQL lacks the database's locale ${wanted}: ${instead} stands in, so the order of text, and plans that follow it, may differ`;
  const common = [
    `ENCODING ${quoteText(locale.encoding)}`,
    // Since 15 the default strategy logs every page instead of copying files.
    ...(major >= 15 ? ["STRATEGY file_copy"] : []),
  ];
  const libc = (collate: string, ctype: string) => [
    ...common,
    ...(major >= 15 ? ["LOCALE_PROVIDER libc"] : []),
    `LC_COLLATE ${quoteText(collate)} LC_CTYPE ${quoteText(ctype)}`,
  ];
  const provided = (provider: "icu" | "builtin", name: string, collate: string, ctype: string) => [
    ...common,
    `LOCALE_PROVIDER ${provider} ${provider.toUpperCase()}_LOCALE ${quoteText(name)}`,
    `LC_COLLATE ${quoteText(collate)} LC_CTYPE ${quoteText(ctype)}`,
  ];
  const { collate, ctype, provider } = locale;
  const own = locale.locale;
  const exact: Attempt[] = [];
  const nearest: Attempt[] = [];
  if (provider === "libc" || own === undefined) {
    exact.push({ options: libc(collate, ctype), caveat: undefined });
    // What is a letter alone changes no order of rows.
    if (ctype !== collate)
      nearest.push({ options: libc(collate, collate), caveat: lacks(`LC_CTYPE ${collate}`) });
    if (CODE_POINT.test(collate) && major >= 17) {
      // The order is the same; but the planner takes the built-in one for bytes, and libc's not.
      nearest.push({
        options: provided("builtin", "C.UTF-8", "C", "C"),
        caveat: `this machine's PostgreSQL lacks the database's locale ${wanted}: the built-in C.UTF-8 stands in, so plans of LIKE 'x%' may differ`,
      });
    } else if (!NATIVE.test(collate) && !CODE_POINT.test(collate) && major >= 15) {
      const tag = languageTag(collate);
      nearest.push({
        options: provided("icu", tag, "C", "C"),
        caveat: lacks(`ICU's locale ${tag}`),
      });
    }
  } else if (provider === "icu" ? major >= 15 : major >= 17) {
    exact.push({ options: provided(provider, own, collate, ctype), caveat: undefined });
    // The order is the provider's; libc's part only tells letters from digits here and there.
    nearest.push({ options: provided(provider, own, "C", "C"), caveat: undefined });
  }
  return [...exact, ...nearest, ...(await lastResorts(client, request, libc, lacks))];
}

/** A linguistic order stands in for another one: with C's, a plain index would serve LIKE 'x%', which it does not there. */
async function lastResorts(
  client: Client,
  { locale }: Request,
  libc: (collate: string, ctype: string) => readonly string[],
  lacks: (instead: string) => string,
): Promise<readonly Attempt[]> {
  const native = NATIVE.test(locale.collate) && locale.provider === "libc";
  const rows = native
    ? []
    : await rowsOf(
        client,
        `SELECT DISTINCT collcollate AS name, collcollate ILIKE 'C.UTF%8' AS plain FROM pg_collation
         WHERE collprovider = 'c' AND collcollate NOT IN ('C', 'POSIX')
           AND collencoding IN (-1, pg_char_to_encoding($1))
         ORDER BY plain, name`,
        [locale.encoding],
      );
  const found = [...new Set(rows.map((row) => String(row["name"])))].slice(0, 3);
  return [...found, "C"].map((name) => ({
    options: libc(name, name),
    caveat: lacks(`libc's ${name}`),
  }));
}

/** `de_DE.UTF-8@euro` is `de-DE` to ICU. */
function languageTag(locale: string): string {
  return locale.replace(/[.@].*$/, "").replaceAll("_", "-");
}

function describe({ encoding, collate, ctype, provider, locale }: DatabaseLocale): string {
  const names =
    provider === "libc" || locale === undefined
      ? collate === ctype
        ? collate
        : `${collate}, ${ctype}`
      : locale;
  return `${names} (${provider}, ${encoding})`;
}

/** wrong_object_type, invalid_parameter_value, feature_not_supported, undefined_object, syntax_error (an older server's). */
const LOCALE_ERRORS: readonly string[] = ["42809", "22023", "0A000", "42704", "42601"];

function isAboutLocale(error: unknown): boolean {
  return error instanceof Error && "code" in error && LOCALE_ERRORS.includes(String(error.code));
}
