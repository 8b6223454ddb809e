// A model's words as page elements. Every element is made here, every text goes in as text: there
// is no path from a reply to markup. Understands fences, bare JSON, headings, lists, quotes, `code`,
// **strong** and *emphasis*; all else stays as it was written.

import { copyOf, copyText, slot } from "../../components/frame/dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const ITEM = /^\s{0,3}(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const INLINE = /(`+)([^`]|[^`].*?[^`])\1(?!`)|\*\*(\S(?:.*?\S)?)\*\*|(?<![\w*])\*([^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])/s;

const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};

/** Text with its inline marks, as nodes. */
const inline = (text) => {
  const nodes = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    if (match.index) nodes.push(rest.slice(0, match.index));
    if (match[2] !== undefined) nodes.push(element("code", match[2]));
    else if (match[3] !== undefined) nodes.push(element("strong", ...inline(match[3])));
    else nodes.push(element("em", ...inline(match[4])));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) nodes.push(rest);
  return nodes;
};

const fence = (language, lines) => {
  const figure = copyOf("code-block");
  slot(figure, "language").textContent = language || slot(figure, "language").textContent;
  const code = slot(figure, "code");
  code.textContent = lines.join("\n");
  slot(figure, "copy").addEventListener("click", (event) => copyText(event.currentTarget, code.textContent));
  return figure;
};

const list = (lines) => {
  const ordered = ITEM.exec(lines[0])[2];
  const made = element(ordered === undefined ? "ul" : "ol");
  if (ordered !== undefined) made.start = Number(ordered);
  let words = [];
  const close = () => words.length && made.append(element("li", ...inline(words.join("\n"))));
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) {
      close();
      words = [item[3]];
    } else words.push(line.trim());
  }
  close();
  return made;
};

const block = (lines) => {
  const opening = FENCE.exec(lines[0]);
  if (opening) {
    const closed = lines.length > 1 && lines.at(-1).trim().startsWith(opening[1]);
    return [fence(opening[2], lines.slice(1, closed ? -1 : undefined))];
  }
  if (lines.length > 1 && /^[[{]$/.test(lines[0])) return [fence("json", lines)];
  const heading = /^(#{1,6})\s+(.*)$/.exec(lines[0]);
  if (heading) {
    const title = element(`h${Math.min(heading[1].length + 2, 5)}`, ...inline(heading[2]));
    return lines.length > 1 ? [title, ...block(lines.slice(1))] : [title];
  }
  if (ITEM.test(lines[0])) return [list(lines)];
  if (lines.every((line) => line.startsWith(">"))) {
    const quoted = lines.map((line) => line.replace(/^> ?/, "")).join("\n");
    return [element("blockquote", element("p", ...inline(quoted)))];
  }
  const started = lines.findIndex((line, at) => at > 0 && (ITEM.test(line) || /^#{1,6}\s/.test(line)));
  if (started > 0) return [...block(lines.slice(0, started)), ...block(lines.slice(started))];
  return [element("p", ...inline(lines.join("\n")))];
};

/** Split into blocks: an empty line ends one, except inside a fence. */
const blocks = (text) => {
  const found = [];
  let lines = [];
  let mark = null;
  const close = () => {
    if (lines.length) found.push(lines);
    lines = [];
  };
  for (const line of text.split("\n")) {
    const opening = mark === null ? FENCE.exec(line) : null;
    if (mark !== null) {
      lines.push(line);
      if (line.trim().startsWith(mark) && line.trim().replaceAll(mark[0], "") === "") {
        mark = null;
        close();
      }
    } else if (opening) {
      close();
      lines.push(line);
      mark = opening[1];
    } else if (line.trim() === "") close();
    else lines.push(line);
  }
  close();
  return found;
};

/** Keeps `root` showing a growing text. Only the blocks that changed are made again. */
export class Prose {
  #root;
  #shown = [];

  constructor(root) {
    this.#root = root;
  }

  show(text) {
    const wanted = blocks(text.replaceAll("\r\n", "\n"));
    wanted.forEach((lines, at) => {
      const source = lines.join("\n");
      if (this.#shown[at]?.source === source) return;
      const nodes = block(lines);
      const old = this.#shown[at]?.nodes;
      if (old) {
        old[0].before(...nodes);
        for (const node of old) node.remove();
      } else this.#root.append(...nodes);
      this.#shown[at] = { source, nodes };
    });
    for (const { nodes } of this.#shown.splice(wanted.length)) for (const node of nodes) node.remove();
  }
}
