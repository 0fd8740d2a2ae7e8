// Walks the opcodes of Python pickles without running them, and tells what they would import.

export type PickleImport = {
  readonly module: string;
  readonly name: string;
  readonly offset: number;
};

/** From here on the pickle is not looked at. */
export type PickleRest = { readonly offset: number; readonly unread: string };

/** What is not known: the pickle computes it, or hides it. */
const UNKNOWN = "unknown";

type Argument =
  | { readonly kind: "bytes"; readonly length: number }
  | { readonly kind: "lines"; readonly count: number }
  /** A length in so many bytes, then that many bytes. */
  | { readonly kind: "counted"; readonly width: 1 | 4 | 8 };

/** Opcodes by their byte (Python's pickletools), with what follows them. Those of no argument are listed last. */
const ARGUMENTS = new Map<number, Argument>([
  ...codes("FILPVgpS", { kind: "lines", count: 1 }),
  ...codes("ci", { kind: "lines", count: 2 }),
  ...codes("Khq\x80\x82", { kind: "bytes", length: 1 }),
  ...codes("M\x83", { kind: "bytes", length: 2 }),
  ...codes("Jjr\x84", { kind: "bytes", length: 4 }),
  ...codes("G\x95", { kind: "bytes", length: 8 }),
  ...codes("UC\x8a\x8c", { kind: "counted", width: 1 }),
  ...codes("TXB\x8b", { kind: "counted", width: 4 }),
  ...codes("\x8d\x8e\x96", { kind: "counted", width: 8 }),
  ...codes("(.012NQRabd}el]ostu)\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", {
    kind: "bytes",
    length: 0,
  }),
]);
const TEXTS = new Set(bytesOf("SVTUX\x8c\x8d"));
const GLOBALS = new Set(bytesOf("ci"));
const GETS = new Set(bytesOf("ghj"));
const PUTS = new Set(bytesOf("pqr"));
const [MEMOIZE, STACK_GLOBAL, STOP, PROTO, FRAME] = [0x94, 0x93, 0x2e, 0x80, 0x95];
const [STRING, UNICODE] = [0x53, 0x56];
// No artifact's worth of honest objects needs more, and a file of nothing but MEMOIZE would fill the memory.
const MEMO_MAX = 1_000_000;

/** Several pickles may follow each other. Ends at what is no opcode: content that is no pickle yields little or nothing. */
export function* pickleImports(content: Uint8Array): Generator<PickleImport | PickleRest> {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const memo = new Map<number, string>();
  // The last two values pushed, as far as they are texts.
  let [second, first] = [UNKNOWN, UNKNOWN];
  let pushes = 0;
  for (let offset = 0; offset < bytes.length;) {
    const code = bytes[offset] ?? 0;
    const argument = readArgument(bytes, offset);
    // Of an empty stack a loader makes nothing either; NumPy's own files begin with this very byte.
    if (argument === undefined || (code === STACK_GLOBAL && pushes < 2)) return;
    if (GLOBALS.has(code)) {
      const [module = "", name = ""] = argument.text.split("\n");
      yield { module, name, offset };
    } else if (code === STACK_GLOBAL) yield { module: second, name: first, offset };
    if (code === STOP) {
      // The next one is loaded for itself.
      memo.clear();
      [second, first, pushes] = [UNKNOWN, UNKNOWN, 0];
    } else if (code === MEMOIZE || PUTS.has(code)) {
      memo.set(code === MEMOIZE ? memo.size : argument.number, first);
      if (memo.size > MEMO_MAX) {
        yield { offset, unread: `only ${MEMO_MAX} memo entries of a pickle are looked at` };
        return;
      }
    } else if (code !== PROTO && code !== FRAME) {
      pushes += 1;
      const pushed = TEXTS.has(code)
        ? argument.text
        : GETS.has(code)
          ? memo.get(argument.number)
          : undefined;
      [second, first] = [first, pushed ?? UNKNOWN];
    }
    offset = argument.end;
  }
}

type ReadArgument = {
  /** Of the lines or the counted bytes. */
  readonly text: string;
  /** What a PUT or a GET names. */
  readonly number: number;
  readonly end: number;
};

// Names are short: of longer texts the beginning tells enough, and copying the rest out would cost.
const TEXT_BYTES_MAX = 1_000;

function readArgument(bytes: Buffer, offset: number): ReadArgument | undefined {
  const code = bytes[offset] ?? 0;
  const argument = ARGUMENTS.get(code);
  if (argument === undefined) return undefined;
  const begin = offset + 1;
  if (argument.kind === "lines") return readLines(bytes, begin, argument.count);
  const width = argument.kind === "bytes" ? argument.length : argument.width;
  if (begin + width > bytes.length) return undefined;
  const number = width === 0 ? 0 : bytes.readUIntLE(begin, Math.min(width, 6));
  if (argument.kind === "bytes") return { text: "", number, end: begin + width };
  const end = begin + width + number;
  if (end > bytes.length) return undefined;
  const textEnd = TEXTS.has(code) ? Math.min(end, begin + width + TEXT_BYTES_MAX) : begin + width;
  return { text: bytes.toString("utf8", begin + width, textEnd), number, end };
}

function readLines(bytes: Buffer, begin: number, count: number): ReadArgument | undefined {
  let end = begin;
  for (let line = 0; line < count; line += 1) {
    const newline = bytes.indexOf(0x0a, end);
    if (newline < 0) return undefined;
    end = newline + 1;
  }
  const text = bytes.toString("utf8", begin, Math.min(end - 1, begin + TEXT_BYTES_MAX));
  // PUT and GET write their numbers as text.
  return { text: plainText(bytes[begin - 1], text), number: Number(text), end };
}

/** STRING is written in quotes, and both it and UNICODE may hold escapes: honest names need none, so what has one is not known. */
function plainText(code: number | undefined, text: string): string {
  if (code === STRING) return /^(['"])([^\\]*)\1$/.exec(text)?.[2] ?? UNKNOWN;
  return code === UNICODE && text.includes("\\") ? UNKNOWN : text;
}

function codes(text: string, argument: Argument): [number, Argument][] {
  return bytesOf(text).map((code) => [code, argument]);
}

function bytesOf(text: string): number[] {
  return [...Buffer.from(text, "latin1")];
}
