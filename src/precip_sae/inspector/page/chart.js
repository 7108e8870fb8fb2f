// What every chart has: a heading, a drawing that is named for screen readers, and its numbers as a table.

/* global d3 */

const known = new Map();

// The theme's colour of a meaning, see style.css. Kept, since asking for a style while drawing costs a layout.
export function colour(name) {
  const key = `${document.documentElement.dataset.theme}/${matchMedia("print").matches}/${name}`;
  if (!known.has(key)) known.set(key, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return known.get(key);
}

// A new element with attributes and children; text stays text, whatever it holds.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

let drawn = 0;
const charts = [];

// Takes the widths of all charts in a view at once, before anything is drawn in it: one layout, not one for each.
export function measure(view) {
  for (const one of charts) if (view.contains(one.place)) one.width = one.place.clientWidth;
}

// A figure in `parent`. `rows()` gives its table: the first row the heads. Returns {figure, svg, note, wide, retable}.
// height: of the drawing's own units; its width is that of the place, `svg.size` says it.
export function chart(parent, { title, height, rows, className = "" }) {
  drawn += 1;
  const id = `chart-${drawn}`;
  const note = element("p", { class: "note" });
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-labelledby", id);
  const place = element("div", { class: "drawing" }, drawing);
  const heading = element("h3", { id }, title);
  const caption = element("figcaption", {}, heading, note);
  const figure = element("figure", { class: `chart ${className}` }, caption, place);
  const svg = d3.select(drawing);
  const body = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: table` });
  const details = element("details", { class: "numbers" }, element("summary", {}, "Numbers"), body);
  if (rows) {
    details.addEventListener("toggle", () => retable());
    figure.append(details);
  }
  parent.append(figure);
  function retable() {
    if (rows && details.open) body.replaceChildren(table(rows()));
  }
  const made = {
    figure,
    svg,
    note,
    heading,
    caption,
    place,
    retable,
    width: 0,
    // Fits the drawing to its place; returns its width.
    fit(tall = height) {
      const width = Math.max(150, Math.round(made.width || place.clientWidth || 320));
      drawing.setAttribute("viewBox", `0 0 ${width} ${tall}`);
      drawing.setAttribute("width", width);
      drawing.setAttribute("height", tall);
      return width;
    },
  };
  charts.push(made);
  return made;
}

// A table of texts; the first row and the first column are heads.
export function table(rows) {
  const [heads, ...rest] = rows;
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, String(text))));
  const body = rest.map((row) =>
    element("tr", {}, ...row.map((text, k) => element(k ? "td" : "th", k ? {} : { scope: "row" }, String(text)))),
  );
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

// An axis in a group of the class `name`, made once.
export function axis(svg, name, x, y, of) {
  let group = svg.select(`g.${name}`);
  if (group.empty()) group = svg.append("g").attr("class", `axis ${name}`).attr("aria-hidden", "true");
  group.attr("transform", `translate(${x},${y})`).call(of);
  return group;
}

// A text that stands once in a drawing, at a place.
export function label(svg, name, text, x, y, anchor = "middle", turn = 0) {
  let found = svg.select(`text.${name}`);
  if (found.empty()) found = svg.append("text").attr("class", `label ${name}`);
  return found
    .attr("text-anchor", anchor)
    .attr("transform", `translate(${x},${y})${turn ? ` rotate(${turn})` : ""}`)
    .text(text);
}

// A group of radio buttons that look like a row of buttons. options: [[value, text]]; chosen: called with the value.
export function choice(parent, { legend, name, options, chosen }) {
  const holder = element("div", { class: "options" });
  const field = element("fieldset", { class: "choice" }, element("legend", {}, legend), holder);
  parent.append(field);
  let shown = "";
  const fill = (list) => {
    shown = JSON.stringify(list);
    holder.replaceChildren(
      ...list.map(([value, text]) =>
        element(
          "label",
          {},
          element("input", { type: "radio", name, value: String(value), onchange: () => chosen(value) }),
          element("span", {}, text),
        ),
      ),
    );
  };
  fill(options);
  return {
    field,
    update(list, value) {
      if (JSON.stringify(list) !== shown) fill(list);
      for (const input of holder.querySelectorAll("input")) input.checked = input.value === String(value);
    },
  };
}
