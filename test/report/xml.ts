/** A small XML reader for the tests: throws where a document is not well formed, and lists its elements. */

export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  text: string;
}

const token = /<(\/?)([A-Za-z][\w-]*)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;

export function readXml(document: string): readonly XmlElement[] {
  const elements: XmlElement[] = [];
  const open: XmlElement[] = [];
  const source = document.trim();
  token.lastIndex = 0;
  while (token.lastIndex < source.length) {
    const at = token.lastIndex;
    const match = token.exec(source);
    if (!match) throw new Error(`not XML at ${at}: ${source.slice(at, at + 60)}`);
    const [, closing, name = "", attributes = "", empty, text] = match;
    if (text !== undefined) {
      checkEntities(text);
      const parent = open.at(-1);
      if (!parent) throw new Error(`text outside the root: ${text}`);
      parent.text += text;
    } else if (closing === "/") {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> closes <${last?.name ?? "nothing"}>`);
    } else {
      const element = { name, attributes: readAttributes(attributes), text: "" };
      elements.push(element);
      if (empty !== "/") open.push(element);
    }
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  return elements;
}

function readAttributes(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/([\w-]+)="([^"]*)"/g)) {
    checkEntities(value);
    if (found.has(name)) throw new Error(`attribute ${name} twice`);
    found.set(name, value);
  }
  return found;
}

function checkEntities(text: string): void {
  if (/&(?!(amp|lt|gt|quot);)/.test(text)) throw new Error(`a bare & in: ${text}`);
  if (Array.from(text).some((character) => character < " " && !"\t\n".includes(character)))
    throw new Error("a control character");
}
