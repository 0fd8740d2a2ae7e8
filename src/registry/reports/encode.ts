// Makes one part of a report: rows from its points, written as CSV, as items of a JSON array, or as a row group of Parquet.

import { ByteWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import type { ColumnSource } from "hyparquet-writer";
import { COLUMNS } from "./columns.ts";
import type { Cell, Column } from "./columns.ts";
import type { Encoded, Format, Part } from "./part.ts";
import { reportRows } from "./rows.ts";
import type { ReportRow } from "./rows.ts";

type Written = Pick<Encoded, "bytes" | "rowGroup">;

export function encodePart({ format, runs, points }: Part): Omit<Encoded, "busySeconds"> {
  const rows = [...reportRows(runs, points)];
  if (rows.length === 0) return { rows: 0, bytes: new Uint8Array() };
  return { rows: rows.length, ...ENCODERS[format](rows) };
}

const ENCODERS: Readonly<Record<Format, (rows: readonly ReportRow[]) => Written>> = {
  csv: (rows) => utf8(rows.map((row) => `${csvLine(cellsOf(row))}\r\n`).join("")),
  json: (rows) => utf8(rows.map(jsonItem).join(",\n")),
  parquet: parquetGroup,
};

export function csvHeader(): string {
  return `${csvLine(COLUMNS.map(({ name }) => name))}\r\n`;
}

/** RFC 4180: quoted where it must be; what is absent is empty. */
function csvLine(cells: readonly Cell[]): string {
  return cells
    .map((cell) =>
      typeof cell === "string" && /[",\r\n]/.test(cell)
        ? `"${cell.replaceAll('"', '""')}"`
        : (cell ?? ""),
    )
    .join(",");
}

function jsonItem(row: ReportRow): string {
  return JSON.stringify(Object.fromEntries(COLUMNS.map(({ name, cell }) => [name, cell(row)])));
}

function cellsOf(row: ReportRow): Cell[] {
  return COLUMNS.map(({ cell }) => cell(row));
}

const utf8 = (text: string): Written => ({ bytes: new TextEncoder().encode(text) });

export const PARQUET_SCHEMA = schemaFromColumnData({ columnData: COLUMNS.map(withoutData) });
/** What every file begins with; the writer puts it before the first row group. */
export const PARQUET_MAGIC_BYTES = 4;

/** The offsets in the row group count from the file's first byte as if this part stood right behind the magic number. */
function parquetGroup(rows: readonly ReportRow[]): Written {
  const output = new ByteWriter();
  const writer = new ParquetWriter({ writer: output, schema: PARQUET_SCHEMA });
  const columnData = COLUMNS.map(({ name, type, cell }): ColumnSource => ({
    name,
    data: rows.map((row) => parquetValue(type, cell(row))),
    // Indexes of pages lie at the file's end, out of the reach of one part.
    offsetIndex: false,
  }));
  // Without a writer that flushes it is done when it returns.
  void writer.write({ columnData, rowGroupSize: rows.length });
  const [rowGroup] = writer.row_groups;
  if (rowGroup === undefined) throw new Error("The Parquet writer made no row group.");
  return { bytes: output.getBytes().slice(PARQUET_MAGIC_BYTES), rowGroup };
}

/** A time may be one that no Date can hold. */
function parquetValue(type: Column["type"], cell: Cell): Cell | bigint {
  const isLong = type === "INT64" || type === "TIMESTAMP";
  return isLong && typeof cell === "number" ? BigInt(cell) : cell;
}

function withoutData({ name, type, nullable }: Column): ColumnSource {
  return { name, type, nullable, data: [] };
}
