// Bars and points: probabilities, relevance, predicted against observed.

import { axis, colour, label } from "./chart.js";
import { number, ticks } from "./text.js";

/* global d3 */

// Horizontal bars, from zero to both sides. bars: [{label, value, text, colour, faint}]: `faint` a second, pale value.
export function drawBars(chart, { bars, ends, axisTitle, tall = 26 }) {
  const height = bars.length * tall + 40;
  const width = chart.fit(height);
  const { svg } = chart;
  svg.selectAll("*").remove();
  const longest = d3.max(bars, (b) => b.label.length) || 1;
  const left = Math.min(width * 0.42, 14 + longest * 7.2);
  const right = width - 12 - 7.2 * d3.max(bars, (b) => b.text.length);
  const x = d3.scaleLinear(ends ?? reach(bars), [left, right]).nice();
  axis(svg, "x", 0, bars.length * tall + 2, ticks(x, d3.axisBottom(x), Math.max(2, Math.floor(width / 110))));
  if (axisTitle) label(svg, "below", axisTitle, (left + right) / 2, height - 4);
  const rows = svg
    .append("g")
    .selectAll("g")
    .data(bars)
    .join("g")
    .attr("transform", (_, k) => `translate(0,${k * tall})`);
  const bar = (of, thick) => (b) => {
    const value = of(b);
    return `M${x(0)},${(tall - thick) / 2}H${x(value)}v${thick}H${x(0)}z`;
  };
  rows
    .append("path")
    .attr(
      "d",
      bar((b) => b.value, tall - 9),
    )
    .attr("fill", (b) => b.colour);
  rows
    .filter((b) => b.faint !== undefined)
    .append("path")
    .attr("class", "before")
    .attr(
      "d",
      bar((b) => b.faint, tall - 4),
    );
  rows
    .append("text")
    .attr("class", "label")
    .attr("text-anchor", "end")
    .attr("x", left - 8)
    .attr("y", tall / 2)
    .attr("dy", "0.35em")
    .text((b) => b.label);
  rows
    .append("text")
    .attr("class", "label number")
    .attr("x", (b) => Math.max(x(b.value), x(0)) + 6)
    .attr("y", tall / 2)
    .attr("dy", "0.35em")
    .text((b) => b.text);
  svg
    .append("line")
    .attr("class", "zero")
    .attr("x1", x(0))
    .attr("x2", x(0))
    .attr("y2", bars.length * tall);
}

function reach(bars) {
  const values = bars.flatMap((b) => [b.value, b.faint ?? 0]);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  return low === high ? [0, 1] : [low, high];
}

// Predicted against observed with the line on which both agree; the current record is marked.
export function drawScatter(chart, { observed, predicted, now, unit, height = 300 }) {
  const width = chart.fit(height);
  const { svg } = chart;
  svg.selectAll("*").remove();
  const box = { left: 56, right: width - 12, top: 10, bottom: height - 42 };
  const chosen = now === null ? 0 : Math.max(observed[now], predicted[now]);
  const top = Math.max(d3.quantile(observed, 0.998), d3.quantile(predicted, 0.998), chosen) || 1;
  const x = d3.scaleLinear([0, top], [box.left, box.right]).nice();
  const y = d3.scaleLinear([Math.min(0, d3.min(predicted)), top], [box.bottom, box.top]).nice();
  axis(svg, "x", 0, box.bottom, ticks(x, d3.axisBottom(x), 5));
  axis(svg, "y", box.left, 0, ticks(y, d3.axisLeft(y), 5));
  label(svg, "below", `observed${unit}`, (box.left + box.right) / 2, height - 6);
  label(svg, "beside", `predicted${unit}`, 13, (box.top + box.bottom) / 2, "middle", -90);
  const step = Math.max(1, Math.floor(observed.length / 800));
  const shown = Array.from(observed.keys()).filter((k) => k % step === 0 && observed[k] <= top && predicted[k] <= top);
  svg
    .append("g")
    .attr("class", "points")
    .attr("fill", colour("accent"))
    .selectAll("circle")
    .data(shown)
    .join("circle")
    .attr("r", 2.2)
    .attr("cx", (k) => x(observed[k]))
    .attr("cy", (k) => y(predicted[k]));
  svg.append("line").attr("class", "same").attr("x1", x(0)).attr("y1", y(0)).attr("x2", x(top)).attr("y2", y(top));
  if (now !== null) {
    svg.append("circle").attr("class", "here").attr("r", 6).attr("cx", x(observed[now])).attr("cy", y(predicted[now]));
  }
  return `${number(shown.length, 4)} records are drawn`;
}
