/** The values that people write in profiles, as zod types: text, durations, sizes, shares, commands. */
import { z } from "zod";
import type { Unit } from "../core/metric.ts";
import { parseBytes, parseDuration } from "../core/units.ts";

/**
 * A check over parts that are valid themselves. zod's own superRefine also runs over parts with problems, which are then still as
 * they were written: a transform does not.
 */
export const checked =
  <T>(check: (value: T, context: z.RefinementCtx) => void) =>
  <U extends T>(value: U, context: z.RefinementCtx): U => {
    check(value, context);
    return value;
  };

export const text = () => z.string().min(1);

/** Names of things in a profile: `speed-runner`, `pool-max`, `get-alias`. */
export const name = () =>
  z.string().regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, {
    error: "expected a name of lower-case letters, digits and single dashes",
  });

/** Keys of the records that become placeholders and ids; numbers would lose their place in the order. */
export const key = () =>
  z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, {
    error: "expected a name that begins with a letter, then letters, digits, - and _",
  });

export const scalar = () =>
  z.union([z.string(), z.number(), z.boolean()], {
    error: "expected text, a number, true or false",
  });

export const duration = () => quantity("ms");
export const positiveDuration = () =>
  duration().refine((value) => value > 0, { error: "expected more than zero" });
export const share = () => quantity("ratio");

/** A number or text that stands for one, in a unit that a sibling decides: read with `parseQuantity`. */
export const amount = () => written("a number or text such as 200ms, 98%, 128MB or 1500/s");

const EXPECTED: Readonly<Record<Unit, string>> = {
  ms: "a duration such as 250ms, 5s or 2m",
  ratio: "a share such as 98%, or 0.98",
  "per-second": "a rate such as 1500/s",
  "bytes-per-second": "a rate such as 10MB/s",
  bytes: "a size such as 128MB or 1GB",
  count: "a number",
};

const PATTERNS = {
  ms: String.raw`^\s*\d+(\.\d+)?\s*(ms|s|m|h)\s*$`,
  ratio: String.raw`^\s*\d+(\.\d+)?\s*%\s*$`,
} as const;

export function expectedQuantity(unit: Unit): string {
  return `expected ${EXPECTED[unit]}`;
}

/** The number behind what was written, in the unit: milliseconds, a ratio between 0 and 1, bytes; undefined when it is none. */
export function parseQuantity(unit: Unit, value: string | number): number | undefined {
  const parsed = typeof value === "number" ? FROM_NUMBER[unit](value) : FROM_TEXT[unit](value);
  return parsed !== undefined && Number.isFinite(parsed) && parsed >= 0 ? parsed : undefined;
}

const FROM_NUMBER: Readonly<Record<Unit, (value: number) => number | undefined>> = {
  // 200 may mean seconds to one reader and milliseconds to another.
  ms: (value) => (value === 0 ? 0 : undefined),
  // 98 may mean a share, or a slip; 98% and 0.98 cannot be misread.
  ratio: (value) => (value <= 1 ? value : undefined),
  bytes: (value) => (Number.isInteger(value) ? value : undefined),
  "per-second": (value) => value,
  "bytes-per-second": (value) => value,
  count: (value) => value,
};

const FROM_TEXT: Readonly<Record<Unit, (value: string) => number | undefined>> = {
  ms: parseDuration,
  ratio: (value) => leadingNumber(/^(\d+(?:\.\d+)?)\s*%$/, value, 1 / 100),
  bytes: parseBytes,
  "per-second": (value) => leadingNumber(/^(\d+(?:\.\d+)?)\s*\/\s*s$/, value, 1),
  "bytes-per-second": (value) => {
    const size = /^(.+?)\s*\/\s*s$/.exec(value.trim())?.[1];
    return size === undefined ? undefined : parseBytes(size);
  },
  count: () => undefined,
};

function leadingNumber(pattern: RegExp, value: string, factor: number): number | undefined {
  const digits = pattern.exec(value.trim())?.[1];
  // Rounded so that 7 % is 0.07, not 0.07000000000000001.
  return digits === undefined ? undefined : Number((Number(digits) * factor).toPrecision(15));
}

function quantity(unit: keyof typeof PATTERNS) {
  return written(EXPECTED[unit])
    .meta({ pattern: PATTERNS[unit] })
    .transform((value, context): number => {
      const parsed = parseQuantity(unit, value);
      if (parsed !== undefined) return parsed;
      context.addIssue({ code: "custom", message: expectedQuantity(unit) });
      return z.NEVER;
    });
}

function written(expected: string) {
  return z.union([z.string(), z.number()], { error: `expected ${expected}` });
}

/** Of HTTP (RFC 9110, section 5.1). */
export const headerName = () =>
  z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, {
    error: "expected a header name of letters, digits and dashes",
  });

/** Values are never repeated in a message: they may hold secrets. */
export const headers = () =>
  z.record(
    headerName(),
    z
      .string({ error: `expected text, found ${HIDDEN}` })
      // A line break would end the header: it comes with variables that were read from a file.
      .refine((value) => !/(?!\t)\p{Cc}/u.test(value), {
        error: `expected text without line breaks and other control characters, found ${HIDDEN}`,
      }),
  );

/** In place of what a message would else say was found. */
export const HIDDEN = "something else (not shown, it may hold a secret)";

/** A program and its arguments as a list, or as one line that is split at spaces; quotes keep words together. No shell reads it. */
export const command = () =>
  z
    .union([z.string(), z.array(text()).min(1)], {
      error: "expected a command such as `node server.js`, or a list of program and arguments",
    })
    .transform((value, context): readonly [program: string, ...args: string[]] => {
      const words = typeof value === "string" ? splitCommand(value) : value;
      const problem = typeof words === "string" ? words : undefined;
      const [program, ...args] = typeof words === "string" ? [] : words;
      if (program !== undefined) return [program, ...args];
      context.addIssue({ code: "custom", message: problem ?? "expected a command" });
      return z.NEVER;
    });

/** The words of a command line, or what keeps it from being one. */
function splitCommand(line: string): string[] | string {
  const words = [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word);
  const bare = line.replace(/'[^']*'|"[^"]*"/g, "");
  if (/['"]/.test(bare)) return "expected a command whose quotes are closed";
  // ${scale} is perfopt's own; everything else that a shell would act on would be passed on as it stands.
  if (/[|&;<>`]|\$\(/.test(bare)) {
    return "expected a command without shell syntax such as |, && or > (no shell reads it; put the line into a script)";
  }
  return words.map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, (_, a, b) => String(a ?? b)));
}
