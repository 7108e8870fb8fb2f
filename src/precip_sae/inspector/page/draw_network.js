// The network as circles and lines. Built once for a shape; afterwards only attributes change, so that it can play.

import { colour } from "./chart.js";
import { number } from "./text.js";

/* global d3 */

const MOST_WIDTH = 7;
const NARROW = 430; // below this there is no room for values beside the names

// Draws columns of nodes and the lines between them.
// columns: [{title, nodes: [{label, detail, fill, ink, bias, value, chosen, faded}]}], `fill` a colour, `ink` that of text
// on it, `bias` a number or null. links: one flat array [from x to] per gap, whose sign and size the lines show.
// pick(column, node): called for nodes of columns with `pick`. spoken: what the whole drawing says, for a screen reader.
export function drawNetwork(chart, { columns, links, pick, spoken }) {
  const tallest = Math.max(...columns.map((c) => c.nodes.length));
  const radius = Math.max(6, Math.min(17, 190 / tallest));
  const height = 54 + Math.max(260, tallest * (2 * radius + 5));
  const width = chart.fit(height);
  const sizes = columns.map((c) => c.nodes.length);
  const key = `${sizes}/${width}/${columns.map((c) => [c.title, ...c.nodes.map((n) => n.label)])}`;
  if (chart.built !== key) build(chart, { columns, links, pick, width, height, radius });
  chart.built = key;
  chart.svg.attr("aria-label", spoken).attr("aria-labelledby", null);
  repaint(chart, { columns, links, radius });
}

function places(columns, width, height) {
  // room for the longest name beside the first and the last column
  const values = width < NARROW ? 0 : 0.9;
  const room = (column) =>
    30 + 7.5 * Math.max(...column.nodes.flatMap((n) => [n.label.length, values * (n.value ?? "").length]));
  const left = Math.min(room(columns[0]), width * 0.36);
  const right = Math.min(room(columns[columns.length - 1]), width * 0.36);
  return columns.map((column, c) => {
    const x = left + ((width - left - right) * c) / (columns.length - 1);
    const step = (height - 54) / column.nodes.length;
    return column.nodes.map((_, k) => [x, 44 + step * (k + 0.5)]);
  });
}

function build(chart, { columns, links, pick, width, height, radius }) {
  const { svg } = chart;
  const at = places(columns, width, height);
  svg.selectAll("*").remove();
  svg
    .append("g")
    .selectAll("text")
    .data(columns)
    .join("text")
    .attr("class", "head")
    .attr("text-anchor", "middle")
    .attr("x", (_, c) => at[c][0][0])
    .attr("y", 16)
    .text((d) => (width < NARROW ? d.title.split(" ")[0] : d.title));
  chart.lines = links.map((_, gap) => {
    const [from, to] = [at[gap], at[gap + 1]];
    const pairs = from.flatMap((a) => to.map((b) => [a, b]));
    return svg
      .append("g")
      .attr("class", "links")
      .selectAll("path")
      .data(pairs)
      .join("path")
      .attr("d", ([[x0, y0], [x1, y1]]) => {
        const middle = (x0 + x1) / 2;
        return `M${x0},${y0}C${middle},${y0} ${middle},${y1} ${x1},${y1}`;
      })
      .nodes();
  });
  chart.nodes = columns.map((column, c) => {
    const last = c === columns.length - 1;
    const outer = c === 0 || last;
    const groups = svg
      .append("g")
      .selectAll("g")
      .data(column.nodes)
      .join("g")
      .attr("class", "node")
      .attr("transform", (_, k) => `translate(${at[c][k]})`);
    groups
      .append("circle")
      .attr("class", "bias")
      .attr("cx", radius * 0.85)
      .attr("cy", radius * 0.85);
    groups.append("circle").attr("class", "unit").attr("r", radius);
    groups.append("title");
    groups
      .append("text")
      .attr("class", outer ? "name" : "name inside")
      .attr("dy", "0.35em")
      .attr("x", outer ? (last ? radius + 6 : -radius - 6) : 0)
      .attr("text-anchor", outer ? (last ? "start" : "end") : "middle")
      .text((d) => d.label)
      .style("font-size", outer ? null : `${Math.min(12, Math.max(7, radius * 0.8))}px`);
    groups
      .append("text")
      .attr("class", "value")
      .attr("display", width < NARROW ? "none" : null)
      .attr("dy", "1.55em")
      .attr("x", last ? radius + 6 : -radius - 6)
      .attr("text-anchor", last ? "start" : "end");
    if (column.pick) {
      groups
        .attr("role", "button")
        .attr("tabindex", 0)
        .classed("pickable", true)
        .on("click", (event, d) => pick(c, groups.nodes().indexOf(event.currentTarget), d))
        .on("keydown", (event, d) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          pick(c, groups.nodes().indexOf(event.currentTarget), d);
        });
    }
    return groups.nodes().map((node) => ({
      node,
      bias: node.querySelector(".bias"),
      unit: node.querySelector(".unit"),
      name: node.querySelector(".name"),
      title: node.querySelector("title"),
      value: node.querySelector(".value"),
      outer,
      pick: Boolean(column.pick),
    }));
  });
  svg.attr("role", columns.some((c) => c.pick) ? "group" : "img");
}

// Sets an attribute if it differs: writing one that does not still costs a repaint.
function put(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function repaint(chart, { columns, links, radius }) {
  const [positive, negative] = [colour("positive"), colour("negative")];
  chart.lines.forEach((paths, gap) => {
    const weights = links[gap];
    let most = 1e-9;
    for (const w of weights) most = Math.max(most, Math.abs(w));
    paths.forEach((path, k) => {
      const share = Math.abs(weights[k]) / most;
      put(path, "stroke", weights[k] < 0 ? negative : positive);
      put(path, "stroke-width", (share * MOST_WIDTH + 0.15).toFixed(2));
      put(path, "stroke-opacity", (0.1 + 0.75 * share).toFixed(2));
      put(path, "stroke-dasharray", weights[k] < 0 ? "5 2" : "none");
    });
  });
  chart.nodes.forEach((nodes, c) =>
    nodes.forEach((parts, k) => {
      const { fill, ink, bias, value, detail, chosen, faded, label } = columns[c].nodes[k];
      put(parts.unit, "fill", fill);
      put(parts.unit, "class", chosen ? "unit chosen" : "unit");
      put(parts.unit, "fill-opacity", faded ? "0.25" : "1");
      if (!parts.outer) parts.name.style.fill = ink;
      const text = value ?? "";
      if (parts.value.textContent !== text) parts.value.textContent = text;
      const spoken = `${label}${detail ? `: ${detail}` : ""}`;
      if (parts.title.textContent !== spoken) parts.title.textContent = spoken;
      if (parts.pick) {
        put(parts.node, "aria-label", spoken);
        put(parts.node, "aria-pressed", String(Boolean(chosen)));
      }
      const size = bias === null || bias === undefined ? 0 : Math.min(1, Math.abs(bias)) * radius * 0.4 + 1.5;
      put(parts.bias, "r", size.toFixed(1));
      put(parts.bias, "fill", bias < 0 ? negative : positive);
    }),
  );
}

// The fill of a unit at a share 0 .. 1 of its usual top, and the colour of text on it.
export function activationFill(share) {
  const fill = d3.interpolateCividis(Math.min(1, Math.max(0, share)));
  return { fill, ink: share > 0.55 ? "#111" : "#fff" };
}

// `w = 0.31 from T to h2` of every line, for the table.
export function linkRows(columns, links) {
  const rows = [["from", "to", "weight"]];
  links.forEach((weights, gap) => {
    const [from, to] = [columns[gap].nodes, columns[gap + 1].nodes];
    from.forEach((a, i) => to.forEach((b, j) => rows.push([a.label, b.label, number(weights[i * to.length + j])])));
  });
  columns.slice(1).forEach((column) =>
    column.nodes.forEach((node) => {
      if (typeof node.bias === "number") rows.push(["bias", node.label, number(node.bias)]);
    }),
  );
  return rows;
}
