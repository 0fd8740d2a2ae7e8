/** Plans as auto_explain logs them, in all of its formats, and as EXPLAIN (FORMAT JSON) exports them: the query and its values. */

export interface LoggedPlan {
  readonly sql: string;
  readonly values: readonly (string | null)[] | undefined;
  /** That came back, where the plan was measured. */
  readonly rows: number | undefined;
  readonly ms: number | undefined;
}

/** Text that follows `plan:` in an entry. */
export function readLoggedPlan(text: string): LoggedPlan | undefined {
  if (text.startsWith("{")) return planOfJson(text);
  if (text.startsWith("<")) return planOfXml(text);
  const isYaml = text.startsWith('Query Text: "') && /\nPlan:/.test(text);
  return isYaml ? planOfYaml(text) : planOfText(text);
}

/** Of EXPLAIN (FORMAT JSON) with "Query Text", as auto_explain writes it; undefined without it. */
export function planOf(value: unknown): LoggedPlan | undefined {
  if (typeof value !== "object" || value === null || !("Query Text" in value)) return undefined;
  const sql = value["Query Text"];
  if (typeof sql !== "string") return undefined;
  const root: unknown = "Plan" in value ? value.Plan : undefined;
  const parameters = "Query Parameters" in value ? value["Query Parameters"] : undefined;
  return {
    sql,
    values: typeof parameters === "string" ? readValues(parameters, 0) : undefined,
    rows: numberAt(root, "Actual Rows"),
    ms: numberAt(value, "Execution Time") ?? numberAt(root, "Actual Total Time"),
  };
}

function numberAt(value: unknown, key: string): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Object.entries(value).find(([name]) => name === key)?.[1];
  return typeof found === "number" ? found : undefined;
}

function planOfJson(text: string): LoggedPlan | undefined {
  try {
    return planOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The plan begins with its root, which alone is not indented. */
const ROOT = /^[A-Z][^\n]*\(cost=\d+\.\d+\.\.\d+\.\d+ rows=\d+ width=\d+\)[^\n]*/m;

function planOfText(text: string): LoggedPlan | undefined {
  const head = /^Query Text: /.exec(text);
  const root = ROOT.exec(text);
  if (!head || !root) return undefined;
  const query = text.slice(head[0].length, root.index);
  const parameters = /\nQuery Parameters: /.exec(query);
  const rows = /\(actual (?:time=\S+ )?rows=(\d+(?:\.\d+)?) loops=/.exec(root[0]);
  return {
    sql: query.slice(0, parameters?.index).trimEnd(),
    values: parameters ? readValues(query, parameters.index + parameters[0].length) : undefined,
    rows: rows ? Number(rows[1]) : undefined,
    ms: undefined,
  };
}

function planOfYaml(text: string): LoggedPlan | undefined {
  const sql = quotedYaml(/^Query Text: ("(?:[^"\\]|\\.)*")/s.exec(text)?.[1]);
  const values = quotedYaml(/\nQuery Parameters: ("(?:[^"\\]|\\.)*")/s.exec(text)?.[1]);
  return sql === undefined ? undefined : unmeasured(sql, values);
}

/** PostgreSQL quotes YAML's strings as JSON's. */
function quotedYaml(quoted: string | undefined): string | undefined {
  try {
    return quoted === undefined ? undefined : String(JSON.parse(quoted));
  } catch {
    return undefined;
  }
}

function planOfXml(text: string): LoggedPlan | undefined {
  const sql = xmlElement(text, "Query-Text");
  return sql === undefined ? undefined : unmeasured(sql, xmlElement(text, "Query-Parameters"));
}

function xmlElement(text: string, name: string): string | undefined {
  const open = text.indexOf(`<${name}>`);
  const close = text.indexOf(`</${name}>`);
  if (open < 0 || close < open) return undefined;
  return text
    .slice(open + name.length + 2, close)
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#x0d;", "\r")
    .replaceAll("&amp;", "&");
}

function unmeasured(sql: string, parameters: string | undefined): LoggedPlan {
  const values = parameters === undefined ? undefined : readValues(parameters, 0);
  return { sql, values, rows: undefined, ms: undefined };
}

/** `$1 = 'it''s', $2 = NULL` from a position on; undefined when there are none or they cannot be read. */
export function readValues(text: string, from: number): readonly (string | null)[] | undefined {
  const values: (string | null)[] = [];
  const value = /\s*,?\s*\$(\d+) = (?:(NULL)|'((?:[^']|'')*)')/y;
  value.lastIndex = from;
  for (let match = value.exec(text); match; match = value.exec(text)) {
    if (Number(match[1]) !== values.length + 1) return undefined;
    values.push(match[2] === undefined ? (match[3] ?? "").replaceAll("''", "'") : null);
  }
  return values.length === 0 ? undefined : values;
}
