// How much the seed program writes at each scale.

export const SCALES = {
  small: { models: 150, versions: 1_800, experiments: 30, runs: 600, artifacts: 30 },
  medium: { models: 2_000, versions: 60_000, experiments: 400, runs: 20_000, artifacts: 300 },
  large: { models: 20_000, versions: 600_000, experiments: 4_000, runs: 200_000, artifacts: 1_500 },
} as const satisfies Record<string, Scale>;

export type Scale = {
  readonly models: number;
  readonly versions: number;
  readonly experiments: number;
  readonly runs: number;
  readonly artifacts: number;
};

export type ScaleName = keyof typeof SCALES;

export const SCALE_NAMES: readonly ScaleName[] = ["small", "medium", "large"];

export function findScale(text: string): ScaleName | undefined {
  return SCALE_NAMES.find((name) => name === text);
}
