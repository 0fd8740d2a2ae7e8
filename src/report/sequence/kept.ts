/** The net changes of a sequence as a table: from before its first run to its end, with the runs behind each. */
import type { Knob } from "../../core/knob.ts";
import { cite, formatKnobValue } from "../format.ts";
import { code, plain, table } from "../markdown-text.ts";
import type { SequenceNet } from "./net.ts";

export function keptTable({ changes, madeBy }: SequenceNet, knobs: readonly Knob[]): string {
  const source = (key: string) =>
    (madeBy.get(key) ?? [])
      .map(({ persona, seqs }) => `${plain(persona)} ${cite(seqs)}`)
      .join("; ");
  return table(
    ["what", "from", "to", "run, and lines of its journal"],
    [
      ...changes.knobs.map(({ knob, from, to }) => {
        const known = knobs.find((each) => each.id === knob);
        return [
          code(knob),
          plain(formatKnobValue(known, from)),
          plain(formatKnobValue(known, to)),
          source(`knob ${knob}`),
        ];
      }),
      ...changes.indexes.map(({ index: { schema, table: of, name } }) => [
        `index ${code(name)} on ${code(`${schema}.${of}`)}`,
        "absent",
        "created",
        source(`index ${name}`),
      ]),
      ...changes.statistics.map(({ statistics: { schema, table: of, name } }) => [
        `statistics ${code(name)} on ${code(`${schema}.${of}`)}`,
        "absent",
        "created",
        source(`statistics ${name}`),
      ]),
    ],
  );
}
