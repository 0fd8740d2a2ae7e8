/** Units as people write and read them: durations, byte sizes and ratios. */

const DURATION_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);
const BYTES: ReadonlyMap<string, number> = new Map([
  ["b", 1],
  ["kb", 1024],
  ["mb", 1024 ** 2],
  ["gb", 1024 ** 3],
  ["tb", 1024 ** 4],
]);

/** `"250ms"`, `"5s"`, `"1.5m"`, `"2h"` to milliseconds; undefined when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(text.trim());
  if (!match) return undefined;
  return Number(match[1]) * (DURATION_MS.get(match[2] ?? "") ?? Number.NaN);
}

/** `"512"`, `"64kb"`, `"128 MB"`, `"1gb"` to bytes (powers of 1024, as Redis and PostgreSQL count); undefined when it is not a size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|tb)?$/i.exec(text.trim());
  if (!match) return undefined;
  return Math.round(Number(match[1]) * (BYTES.get((match[2] ?? "b").toLowerCase()) ?? Number.NaN));
}

export function formatDuration(ms: number): string {
  if (ms === 0) return "0 s";
  if (ms < 1) return `${significant(ms * 1000)} µs`;
  if (ms < 1_000) return `${significant(ms)} ms`;
  if (ms < 60_000) return `${significant(ms / 1_000)} s`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = Math.round((ms - minutes * 60_000) / 1_000);
  if (seconds === 60) return `${minutes + 1} min`;
  return seconds === 0 ? `${minutes} min` : `${minutes} min ${seconds} s`;
}

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${significant(value)} ${units[unit]}`;
}

/** A share between 0 and 1 as per cent: 0.9812 is `98.1 %`; near the ends more digits are shown. */
export function formatRatio(ratio: number): string {
  const distance = Math.min(Math.abs(ratio), Math.abs(1 - ratio));
  const digits = distance === 0 ? 0 : distance < 0.001 ? 3 : distance < 0.01 ? 2 : 1;
  return `${(ratio * 100).toFixed(digits)} %`;
}

/** A ratio of candidate to incumbent as a signed change: 0.82 is `-18.0 %`. */
export function formatChange(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change >= 0 ? "+" : ""}${change.toFixed(1)} %`;
}

/** Three significant digits without an exponent. */
export function significant(value: number): string {
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(100, Math.max(0, 2 - magnitude)));
}
