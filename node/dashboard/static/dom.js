// Elements made of text. Nothing in these pages parses HTML: what the chain says can only be shown.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export function panel(title, { id, wide = false, note = null } = {}, ...children) {
  const heading = `${id}-title`;
  return el(
    "section",
    { class: wide ? "panel wide" : "panel", id, "aria-labelledby": heading },
    el("h2", { id: heading }, title, note === null ? null : el("span", { class: "note" }, note)),
    ...children,
  );
}

export function heading(text, ...beside) {
  return el("div", { class: "heading" }, el("h1", { tabindex: "-1" }, text), ...beside);
}

// A table whose cells carry their column's name, so that it can be read as cards where it is narrow.
export function table(caption, columns, rows, { empty = "Nothing yet." } = {}) {
  const body = el("tbody", {}, rows.map((row) => tableRow(columns, row)));
  if (rows.length === 0) body.append(emptyRow(columns, empty));
  return el(
    "table",
    {},
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: column.kind }, column.title)))),
    body,
  );
}

export function tableRow(columns, row, attributes = {}) {
  return el("tr", attributes, columns.map((column) =>
    el("td", { class: column.kind, "data-label": column.title }, column.cell(row))));
}

function emptyRow(columns, text) {
  return el("tr", { class: "empty" }, el("td", { colspan: columns.length }, text));
}

export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.map(([term, ...said]) =>
    el("div", {}, el("dt", {}, term), el("dd", {}, ...said))));
}

export function field(label, control) {
  return el("label", { class: "field" }, el("span", {}, label), control);
}

export function choice(name, options, chosen) {
  return el("select", { name }, options.map(([value, text]) =>
    el("option", { value, selected: value === chosen }, text)));
}
