// Lines: learning curves, a unit's response along an input, a storm in time.

import { axis, colour, label } from "./chart.js";
import { ticks, time } from "./text.js";

/* global d3 */

// Curves over epochs with a mark at the current one.
// lines: [{name, values, first, colour, dash}]: `first` is the epoch of the first value. logarithmic: the upright axis.
export function drawCurves(chart, { lines, epoch, last, title, logarithmic, height = 190, seek }) {
  const width = chart.fit(height);
  const { svg } = chart;
  const box = { left: 58, right: width - 12, top: 12, bottom: height - 38 };
  const x = d3.scaleLinear([0, last], [box.left, box.right]);
  lines = lines.filter((l) => l.values.some(Number.isFinite));
  const all = lines.flatMap((l) => Array.from(l.values)).filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const key = `${width}/${last}/${low}/${high}/${lines.length}/${document.documentElement.dataset.theme}/${title}`;
  const y = (
    logarithmic && low > 0
      ? d3.scaleLog([low, high * 1.02], [box.bottom, box.top])
      : d3.scaleLinear([low, high], [box.bottom, box.top])
  ).nice();
  if (chart.built !== key) {
    chart.built = key;
    svg.selectAll("*").remove();
    axis(svg, "x", 0, box.bottom, d3.axisBottom(x).ticks(Math.min(8, last)).tickFormat(d3.format("d")));
    axis(svg, "y", box.left, 0, ticks(y, d3.axisLeft(y), 4));
    label(svg, "below", "epoch", (box.left + box.right) / 2, height - 6);
    label(svg, "beside", title, 13, (box.top + box.bottom) / 2, "middle", -90);
    const finals = lines.map((l) => y(l.values[l.values.length - 1]));
    const below = Math.min(...finals) < (box.top + box.bottom) / 2; // the key keeps out of the lines' way
    const keys = below ? box.bottom - 10 - 15 * lines.length : box.top + 4;
    lines.forEach((line, k) => {
      svg
        .append("path")
        .attr("class", "curve")
        .attr("stroke", line.colour)
        .attr("stroke-dasharray", line.dash ?? null)
        .attr(
          "d",
          d3.line(
            (_, i) => x(line.first + i),
            (v) => y(v),
          )(Array.from(line.values)),
        );
      svg.append("circle").attr("class", `spot s${k}`).attr("r", 4).attr("fill", line.colour);
      const key = svg.append("g").attr("transform", `translate(${box.right - 92},${keys + 15 * k})`);
      key
        .append("line")
        .attr("x2", 20)
        .attr("class", "curve")
        .attr("stroke", line.colour)
        .attr("stroke-dasharray", line.dash ?? null);
      key.append("text").attr("class", "label").attr("x", 25).attr("dy", "0.35em").text(line.name);
    });
    svg.append("line").attr("class", "cursor").attr("y1", box.top).attr("y2", box.bottom);
    if (seek) {
      svg
        .append("rect")
        .attr("class", "catcher")
        .attr("x", box.left)
        .attr("y", box.top)
        .attr("width", box.right - box.left)
        .attr("height", box.bottom - box.top)
        .on("click", (event) => seek(Math.round(x.invert(d3.pointer(event, svg.node())[0]))));
    }
  }
  svg.select(".cursor").attr("x1", x(epoch)).attr("x2", x(epoch));
  lines.forEach((line, k) => {
    const value = line.values[epoch - line.first];
    svg
      .select(`.s${k}`)
      .attr("display", value === undefined ? "none" : null)
      .attr("cx", x(epoch))
      .attr("cy", value === undefined ? 0 : y(value));
  });
}

// A unit's activation along one input: median and quartiles in bins, and where it starts to act.
export function drawResponse(chart, { bins, input, name, cut, now, line, height = 150 }) {
  const width = chart.fit(height);
  const { svg } = chart;
  svg.selectAll("*").remove();
  const box = { left: 40, right: width - 10, top: 8, bottom: height - 36 };
  const ends = d3.extent(bins, (b) => b.x);
  const logarithmic = input.transform === "log10" && ends[0] > 0;
  const x = (logarithmic ? d3.scaleLog() : d3.scaleLinear()).domain(ends).range([box.left, box.right]);
  const y = d3.scaleLinear([0, d3.max(bins, (b) => b.high) || 1], [box.bottom, box.top]).nice();
  axis(svg, "x", 0, box.bottom, ticks(x, d3.axisBottom(x), logarithmic ? 3 : Math.max(2, Math.floor(width / 55))));
  axis(svg, "y", box.left, 0, ticks(y, d3.axisLeft(y), 3));
  label(
    svg,
    "below",
    input.unit ? `${input.label} (${input.unit})` : input.label,
    (box.left + box.right) / 2,
    height - 5,
  );
  label(svg, "beside", name, 11, (box.top + box.bottom) / 2, "middle", -90);
  svg
    .append("path")
    .attr("class", "band")
    .attr("fill", line)
    .attr(
      "d",
      d3.area(
        (b) => x(b.x),
        (b) => y(b.low),
        (b) => y(b.high),
      )(bins),
    );
  svg
    .append("path")
    .attr("class", "curve")
    .attr("stroke", line)
    .attr(
      "d",
      d3.line(
        (b) => x(b.x),
        (b) => y(b.median),
      )(bins),
    );
  const upright = (value, className) => {
    if (!(value >= ends[0] && value <= ends[1])) return;
    svg
      .append("line")
      .attr("class", className)
      .attr("x1", x(value))
      .attr("x2", x(value))
      .attr("y1", box.top)
      .attr("y2", box.bottom);
  };
  if (cut) upright(cut, "threshold");
  upright(now, "cursor");
}

// A spell in time: one or two lines over a strip of what was observed. places: [{time, value, below, colour}].
// pick(position): a click chooses a record.
export function drawSeries(chart, { places, dated, name, below, line, now, pick, height = 190 }) {
  const width = chart.fit(height);
  const { svg } = chart;
  svg.selectAll("*").remove();
  const box = { left: 52, right: width - 12, top: 10, bottom: height - 58 };
  const times = places.map((p) => p.time);
  const ends = [d3.min(times), d3.max(times)];
  const x = (dated ? d3.scaleUtc() : d3.scaleLinear()).domain(ends).range([box.left, box.right]);
  const y = d3.scaleLinear([0, d3.max(places, (p) => p.value) || 1], [box.bottom, box.top]).nice();
  axis(svg, "y", box.left, 0, ticks(y, d3.axisLeft(y), 4));
  axis(
    svg,
    "x",
    0,
    box.bottom + 18,
    d3
      .axisBottom(x)
      .ticks(Math.max(3, Math.floor(width / 110)))
      .tickFormat(dated ? d3.utcFormat(ends[1] - ends[0] < 1.3e8 ? "%H:%M" : "%d %b") : null),
  );
  label(svg, "beside", name, 13, (box.top + box.bottom) / 2, "middle", -90);
  label(
    svg,
    "below",
    dated ? `${time(ends[0], true)} UTC and after; strip: ${below}` : `record; strip: ${below}`,
    (box.left + box.right) / 2,
    height - 6,
  );
  const step = Math.max(2, (box.right - box.left) / Math.max(places.length, 1));
  svg
    .append("g")
    .selectAll("rect")
    .data(places)
    .join("rect")
    .attr("x", (p) => x(p.time) - step / 2)
    .attr("width", step)
    .attr("y", box.bottom + 5)
    .attr("height", 11)
    .attr("fill", (p) => p.colour);
  svg
    .append("path")
    .attr("class", "area")
    .attr("fill", line)
    .attr(
      "d",
      d3.area(
        (p) => x(p.time),
        box.bottom,
        (p) => y(p.value),
      )(places),
    );
  svg
    .append("path")
    .attr("class", "curve")
    .attr("stroke", line)
    .attr(
      "d",
      d3.line(
        (p) => x(p.time),
        (p) => y(p.value),
      )(places),
    );
  svg
    .append("line")
    .attr("class", "cursor")
    .attr("x1", x(now))
    .attr("x2", x(now))
    .attr("y1", box.top)
    .attr("y2", box.bottom + 16);
  svg
    .append("rect")
    .attr("class", "catcher")
    .attr("x", box.left)
    .attr("y", box.top)
    .attr("width", box.right - box.left)
    .attr("height", box.bottom - box.top + 16)
    .on("click", (event) => {
      const wanted = Number(x.invert(d3.pointer(event, svg.node())[0]));
      pick(d3.leastIndex(places, (p, q) => Math.abs(p.time - wanted) - Math.abs(q.time - wanted)));
    });
}

// The colour of what was observed: a class's own, or a depth of one colour for a rate.
export function observedColour(set) {
  if (set.kind === "classification") {
    const colours = set.classes.map((name, k) => classColour(name, k));
    return (y) => colours[y] ?? colour("nothing");
  }
  const top = d3.quantile(Array.from(set.y), 0.98) || 1;
  const scale = d3.interpolateLab(colour("panel"), colour("rate"));
  return (y) => scale(Math.min(1, Math.sqrt(Math.max(0, y) / top)));
}

const CLASS = { Rain: "rain", Snow: "snow", "Mixed-phase": "mixed" };

// A class's colour: phases have their own, others take theirs in turn.
export const classColour = (name, k) => colour(CLASS[name] ?? `class-${k % 6}`);
