// MLflow's view types: whether a search sees active rows, deleted ones, or both.

export const VIEW_TYPES = ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"] as const;

const STAGES_BY_VIEW_TYPE = {
  ACTIVE_ONLY: ["active"],
  DELETED_ONLY: ["deleted"],
  ALL: ["active", "deleted"],
} as const;

export function stagesOf(viewType: (typeof VIEW_TYPES)[number] = "ACTIVE_ONLY"): readonly string[] {
  return STAGES_BY_VIEW_TYPE[viewType];
}
