/** What a self-test saw of this machine, kept for the gates that follow. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SelfTestResult } from "../core/gate.ts";
import { isMetricId, type MetricId } from "../core/metric.ts";

export interface NoiseProfile {
  /** ISO 8601, UTC. */
  readonly measuredAt: string;
  readonly pairsMax: number;
  /** The least regression that `pairsMax` pairs find 4 times in 5, as a ratio distance or a difference. */
  readonly detectable: Readonly<Partial<Record<MetricId, number>>>;
}

/** What noise depends on: a profile is of no use for anything else. */
export interface ProfileKey {
  readonly target: string;
  readonly workload: string;
  readonly scale: string | undefined;
  readonly cpu: string;
  readonly cores: number;
  readonly windowMs: number;
  readonly pairsMax: number;
}

export async function readNoiseProfile(
  home: string,
  key: ProfileKey,
): Promise<NoiseProfile | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(pathOf(home, key), "utf8"));
    return profileFrom(value);
  } catch {
    // None yet, or a torn one: the gate then knows as much as before any self-test.
    return undefined;
  }
}

export async function writeNoiseProfile(
  home: string,
  key: ProfileKey,
  result: SelfTestResult,
): Promise<void> {
  const path = pathOf(home, key);
  const profile: NoiseProfile = {
    measuredAt: result.startedAt,
    pairsMax: result.pairsMax,
    detectable: Object.fromEntries(result.metrics.map((each) => [each.metric, each.detectable])),
  };
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, `${JSON.stringify(profile, null, 2)}\n`);
  await rename(`${path}.new`, path);
}

function pathOf(home: string, key: ProfileKey): string {
  const hash = createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 12);
  return join(home, "noise", `${key.target}-${hash}.json`);
}

function profileFrom(value: unknown): NoiseProfile | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { measuredAt, pairsMax, detectable } = {
    measuredAt: "",
    pairsMax: 0,
    detectable: {},
    ...value,
  };
  if (typeof detectable !== "object" || detectable === null) return undefined;
  const entries = Object.entries(detectable).flatMap(([id, distance]: [string, unknown]) =>
    isMetricId(id) && typeof distance === "number" && Number.isFinite(distance)
      ? [[id, distance] as const]
      : [],
  );
  return {
    measuredAt,
    pairsMax,
    detectable: Object.fromEntries(entries),
  };
}
