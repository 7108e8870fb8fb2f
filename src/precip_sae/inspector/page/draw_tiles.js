// Tiles: activations over records, correlations of units with inputs, a confusion matrix.

import { colour, label } from "./chart.js";
import { number, signed } from "./text.js";

/* global d3 */

const SHOWN = 240; // records side by side

// Which records stand side by side, and in which order: by class or response, then by the first unit that varies.
export function columnsOf(set) {
  const order = Array.from(set.y.keys()).sort((a, b) => set.y[a] - set.y[b] || a - b);
  const step = Math.max(1, order.length / SHOWN);
  return Array.from({ length: Math.min(SHOWN, order.length) }, (_, k) => order[Math.floor(k * step)]);
}

// Units as rows, records as columns, brightness the activation. strip(record): the colour of what was observed.
export function drawActivations(chart, { units, count, tops, columns, names, strip, below, chosen }) {
  const tall = Math.max(7, Math.min(18, 300 / count));
  const height = Math.round(count * tall + 46);
  const width = chart.fit(height);
  const { svg } = chart;
  const left = 40;
  if (!chart.canvas) {
    chart.canvas = document.createElement("canvas");
    chart.place.prepend(chart.canvas);
    chart.place.classList.add("layered");
  }
  const { canvas } = chart;
  const key = `${width}/${count}/${columns.length}/${names}/${below}/${document.documentElement.dataset.theme}/${chosen}`;
  if (chart.built !== key) {
    chart.built = key;
    canvas.width = columns.length;
    canvas.height = count;
    Object.assign(canvas.style, {
      left: `${left}px`,
      top: "0px",
      width: `${width - left - 4}px`,
      height: `${count * tall}px`,
    });
    svg.selectAll("*").remove();
    svg
      .append("g")
      .selectAll("text")
      .data(names)
      .join("text")
      .attr("class", (_, k) => (k === chosen ? "label strong" : "label"))
      .attr("text-anchor", "end")
      .attr("x", left - 5)
      .attr("dy", "0.35em")
      .attr("y", (_, k) => (k + 0.5) * tall)
      .style("font-size", tall < 9 ? "8px" : null)
      .attr("display", (_, k) => (tall < 8 && k % 2 ? "none" : null))
      .text((d) => d);
    const step = (width - left - 4) / columns.length;
    svg
      .append("g")
      .selectAll("rect")
      .data(columns)
      .join("rect")
      .attr("x", (_, k) => left + k * step)
      .attr("width", step + 0.5)
      .attr("y", count * tall + 4)
      .attr("height", 10)
      .attr("fill", (r) => strip(r));
    label(svg, "below", below, left + (width - left) / 2, height - 8);
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns.length, count);
  for (let u = 0; u < count; u++) {
    for (let k = 0; k < columns.length; k++) {
      const share = Math.min(1, units[columns[k] * count + u] / tops[u]);
      image.data.set(shade(share), 4 * (u * columns.length + k));
    }
  }
  context.putImageData(image, 0, 0);
}

// Colours of activations, made once: asking d3 for each tile would cost a frame.
const SHADES = Array.from({ length: 256 }, (_, k) => {
  const { r, g, b } = d3.rgb(d3.interpolateCividis(k / 255));
  return [r, g, b, 255];
});
const shade = (share) => SHADES[Math.round(255 * Math.max(0, share))];

// r of every unit with every input; sensitive ones outlined. pick(unit) for a click on a row.
export function drawCorrelations(chart, { r, inputs, names, threshold, chosen, pick, spoken }) {
  const tall = Math.max(15, Math.min(24, 300 / r.length));
  const height = Math.round(r.length * tall + 34);
  const width = chart.fit(height);
  const { svg } = chart;
  svg.selectAll("*").remove();
  svg
    .attr("role", pick ? "group" : "img")
    .attr("aria-label", spoken)
    .attr("aria-labelledby", null);
  const left = 40;
  const wide = (width - left - 4) / inputs.length;
  const panel = colour("panel");
  const [up, down] = [d3.interpolateLab(panel, colour("positive")), d3.interpolateLab(panel, colour("negative"))];
  svg
    .append("g")
    .selectAll("text")
    .data(inputs)
    .join("text")
    .attr("class", "head")
    .attr("text-anchor", "middle")
    .attr("x", (_, i) => left + (i + 0.5) * wide)
    .attr("y", 14)
    .text((d) => d.label);
  const lines = svg
    .append("g")
    .selectAll("g")
    .data(r)
    .join("g")
    .attr("transform", (_, k) => `translate(0,${22 + k * tall})`);
  const rows = lines.append("g");
  rows
    .append("rect")
    .attr("class", "row")
    .attr("width", left - 3)
    .attr("height", tall - 2)
    .attr("rx", 4);
  rows
    .append("text")
    .attr("class", (_, k) => (k === chosen ? "label strong" : "label"))
    .attr("text-anchor", "end")
    .attr("x", left - 6)
    .attr("y", tall / 2)
    .attr("dy", "0.35em")
    .text((_, k) => names[k]);
  const cells = lines
    .append("g")
    .selectAll("g")
    .data((row) => row)
    .join("g")
    .attr("transform", (_, i) => `translate(${left + i * wide},0)`);
  cells
    .append("rect")
    .attr("width", wide - 2)
    .attr("height", tall - 2)
    .attr("fill", (v) => (Number.isNaN(v) ? colour("nothing") : (v < 0 ? down : up)(Math.abs(v))))
    .attr("class", (v) => (Math.abs(v) > threshold ? "cell sensitive" : "cell"));
  cells
    .append("text")
    .attr("class", "in-cell")
    .attr("x", wide / 2 - 1)
    .attr("y", tall / 2 - 1)
    .attr("dy", "0.35em")
    .attr("text-anchor", "middle")
    .attr("fill", (v) => (Math.abs(v) > 0.55 ? colour("on-strong") : colour("ink")))
    .text((v) => (Number.isNaN(v) ? "silent" : wide > 38 ? signed(v) : ""));
  if (!pick) return;
  lines.on("click", (event) => pick(lines.nodes().indexOf(event.currentTarget))).style("cursor", "pointer");
  rows
    .attr("class", "pickable")
    .attr("role", "button")
    .attr("tabindex", 0)
    .attr("aria-label", (row, k) => `${names[k]}: ${row.map((v, i) => `${inputs[i].label} ${signed(v)}`).join(", ")}`)
    .attr("aria-pressed", (_, k) => String(k === chosen))
    .on("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick(rows.nodes().indexOf(event.currentTarget));
    });
}

// Observed classes as rows, predicted ones as columns; shares of the observed class, counts in the tiles.
export function drawConfusion(chart, { confusion, classes }) {
  const size = 44;
  const height = classes.length * size + 62;
  const width = chart.fit(height);
  const { svg } = chart;
  svg.selectAll("*").remove();
  const left = Math.min(120, width * 0.3);
  const wide = (width - left - 8) / classes.length;
  const fill = d3.interpolateLab(colour("panel"), colour("accent"));
  label(svg, "above", "predicted", left + (width - left) / 2, 13);
  svg
    .append("g")
    .selectAll("text")
    .data(classes)
    .join("text")
    .attr("class", "label")
    .attr("text-anchor", "middle")
    .attr("x", (_, k) => left + (k + 0.5) * wide)
    .attr("y", 32)
    .text((d) => d);
  label(svg, "beside", "observed", 13, 40 + (classes.length * size) / 2, "middle", -90);
  svg
    .append("g")
    .selectAll("text")
    .data(classes)
    .join("text")
    .attr("class", "label")
    .attr("text-anchor", "end")
    .attr("x", left - 8)
    .attr("y", (_, k) => 40 + (k + 0.5) * size)
    .attr("dy", "0.35em")
    .text((d) => d);
  confusion.forEach((row, o) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    row.forEach((count, p) => {
      const share = count / total;
      const cell = svg.append("g").attr("transform", `translate(${left + p * wide},${40 + o * size})`);
      cell
        .append("rect")
        .attr("class", "cell")
        .attr("width", wide - 2)
        .attr("height", size - 2)
        .attr("fill", fill(Math.sqrt(share)));
      cell
        .append("text")
        .attr("class", "in-cell")
        .attr("x", wide / 2)
        .attr("y", size / 2)
        .attr("dy", "0.3em")
        .attr("text-anchor", "middle")
        .attr("fill", share > 0.3 ? colour("on-accent") : colour("ink"))
        .text(number(count, 4));
    });
  });
}
