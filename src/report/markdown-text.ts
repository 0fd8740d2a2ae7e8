/** Markdown building blocks: escaped text, tables, lists and folds that GitHub renders. */

/** Text of others (hypotheses, SQL, names) for a sentence: nothing in it becomes markup, except code in backticks. */
export function plain(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  const parts = line.split("`");
  if (parts.length % 2 === 0) return escaped(line).replaceAll("`", "\\`");
  return parts.map((part, index) => (index % 2 === 1 ? `\`${part}\`` : escaped(part))).join("");
}

/** A code span that may hold backticks. */
export function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  const pad = longest > 0 ? " " : "";
  return `${fence}${pad}${text.replaceAll(/\s+/g, " ")}${pad}${fence}`;
}

export function codeBlock(language: string, lines: readonly string[]): string {
  return ["```" + language, ...lines.map((line) => line.replaceAll("```", "` ` `")), "```"].join(
    "\n",
  );
}

export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  return [headers, headers.map(() => "---"), ...rows].map(tableRow).join("\n");
}

export function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

/** Closed until clicked. */
export function fold(title: string, body: string): string {
  return `<details>\n<summary>${title}</summary>\n\n${body}\n\n</details>`;
}

/** Blocks with an empty line between; absent ones are left out. */
export function blocks(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join("\n\n");
}

export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll(/(?<!\\)\|/g, "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function escaped(text: string): string {
  return text
    .replaceAll(/[\\<*[\]|]/g, String.raw`\$&`)
    .replaceAll(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, String.raw`\_`);
}
