// Puts the parts of a report together in their order: what comes before, between and after them in each format.

import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { PARQUET_MAGIC_BYTES, PARQUET_SCHEMA, csvHeader } from "./encode.ts";
import type { Encoded, Format, RowGroup } from "./part.ts";

export type Container = {
  readonly head: () => Uint8Array;
  /** Of a part with rows. */
  readonly part: (encoded: Encoded) => readonly Uint8Array[];
  readonly tail: () => Uint8Array;
};

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  csv: "text/csv; charset=utf-8; header=present",
  json: "application/json; charset=utf-8",
  parquet: "application/vnd.apache.parquet",
};

export function openContainer(format: Format): Container {
  return { csv: csvContainer, json: jsonContainer, parquet: parquetContainer }[format]();
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function csvContainer(): Container {
  return {
    head: () => utf8(csvHeader()),
    part: ({ bytes }) => [bytes],
    tail: () => utf8(""),
  };
}

function jsonContainer(): Container {
  let separator = "\n";
  return {
    head: () => utf8("["),
    part({ bytes }) {
      const before = utf8(separator);
      separator = ",\n";
      return [before, bytes];
    },
    tail: () => utf8("\n]\n"),
  };
}

/** A row group a part. Only where they lie is kept until the end, since a file of Parquet ends with it. */
function parquetContainer(): Container {
  const footer = new ByteWriter();
  const writer = new ParquetWriter({ writer: footer, schema: PARQUET_SCHEMA });
  const magic = footer.getBytes().slice();
  let offset = PARQUET_MAGIC_BYTES;
  return {
    head: () => magic,
    part({ rows, bytes, rowGroup }) {
      if (rowGroup === undefined) throw new Error("A part of Parquet came without its row group.");
      writer.row_groups.push(moved(rowGroup, BigInt(offset - PARQUET_MAGIC_BYTES)));
      writer.num_rows += BigInt(rows);
      offset += bytes.byteLength;
      return [bytes];
    },
    tail() {
      void writer.finish();
      return footer.getBytes().subarray(PARQUET_MAGIC_BYTES);
    },
  };
}

/** The same row group, `bytes` further from the file's beginning. */
function moved(rowGroup: RowGroup, bytes: bigint): RowGroup {
  const columns = rowGroup.columns.map((column) => {
    const { meta_data: data } = column;
    if (data === undefined) throw new Error("A column of Parquet came without its metadata.");
    const { dictionary_page_offset: dictionary } = data;
    return {
      ...column,
      file_offset: column.file_offset + bytes,
      meta_data: {
        ...data,
        data_page_offset: data.data_page_offset + bytes,
        ...(dictionary === undefined ? {} : { dictionary_page_offset: dictionary + bytes }),
      },
    };
  });
  return { ...rowGroup, columns };
}
