// Testing: one record or inputs set by hand, what the network says and why, and how well it does on all records.

import { chart, choice, colour, element } from "./chart.js";
import { inputControls, observedText, recordControl } from "./controls.js";
import { classColour } from "./draw_lines.js";
import { drawBars, drawScatter } from "./draw_marks.js";
import { drawNetwork, linkRows } from "./draw_network.js";
import { drawConfusion } from "./draw_tiles.js";
import { predictionOf, relevance } from "./model.js";
import { player } from "./player.js";
import { networkSpec } from "./spec.js";
import { number, percent } from "./text.js";

export function testingView(parent, { store, clock, current }) {
  const side = element("div", { class: "side first" });
  const wide = element("div", { class: "wide" });
  parent.append(side, wide);
  const panel = element("div", { class: "panel" }, element("h3", {}, "The record, or your own inputs"));
  side.append(panel);
  const record = recordControl(panel, { store, current });
  const inputs = inputControls(panel, { store, current });
  const bar = player(wide, { store, clock, current });
  const pair = element("div", { class: "pair" });
  const said = chart(pair, {
    title: "What the network says",
    height: 140,
    rows: () => bars.prediction.map((b) => [b.label, b.text]),
  });
  const why = chart(pair, {
    title: "Why: relevance of the inputs",
    height: 200,
    rows: () => [["input", "relevance"], ...bars.relevance.map((b) => [b.label, b.text])],
  });
  const network = chart(wide, {
    title: "The signal through the network",
    height: 340,
    rows: () => linkRows(spec.columns, spec.links),
    className: "network",
  });
  const lines = choice(wide, {
    legend: "Lines show",
    name: "lines-testing",
    options: [],
    chosen: (value) => store.set({ lines: value }),
  });
  network.caption.after(lines.field);
  wide.append(pair);
  const output = choice(pair, {
    legend: "Relevance for",
    name: "output",
    options: [],
    chosen: (value) => store.set({ output: Number(value) }),
  });
  why.caption.after(output.field);
  const overall = element("div", { class: "pair" });
  wide.append(overall);
  const matrix = chart(overall, { title: "Confusion matrix", height: 200, rows: () => confusionRows() });
  const scatter = chart(overall, { title: "Predicted against observed", height: 300, rows: () => scoreRows() });
  const metrics = element("div", { class: "panel metrics", "aria-live": "off" });
  overall.append(metrics);
  let now = null;
  let spec = null;
  let bars = null;

  function confusionRows() {
    const { classes } = now.set;
    return [["observed \\ predicted", ...classes], ...now.scores.confusion.map((row, k) => [classes[k], ...row])];
  }

  function scoreRows() {
    const { scores, set } = now;
    const unit = set.response.unit;
    return set.kind === "classification"
      ? [
          ["score", "value"],
          ["accuracy", percent(scores.accuracy, 2)],
          ["cross-entropy (nat)", number(scores.cross_entropy, 4)],
        ]
      : [
          ["score", "value"],
          [`mean squared error (${unit})²`, number(scores.mse)],
          [`mean absolute error (${unit})`, number(scores.mae)],
          ["variance explained (R²)", percent(scores.r2)],
        ];
  }

  return {
    update(given, state) {
      now = given;
      const { set } = now;
      const classes = set.kind === "classification";
      record.update(now, state);
      inputs.update(now, state);
      bar.update(now, state);
      spec = networkSpec(now, state);
      drawNetwork(network, spec);
      lines.update(
        [
          ["weights", "weights"],
          ["signal", "what flows for this record"],
        ],
        state.lines,
      );
      const prediction = predictionOf(set, now.z);
      const share = relevance(now.net, now.x, now.output);
      bars = {
        prediction: now.outputs.map((name, k) => ({
          label: classes ? name : set.response.label,
          value: prediction[k],
          text: classes ? percent(prediction[k]) : `${number(prediction[k])} ${set.response.unit}`,
          colour: classes ? classColour(name, k) : colour("rate"),
        })),
        relevance: [...set.inputs.map((input, i) => [input.label, share.inputs[i]]), ["biases", share.bias]].map(
          ([name, value]) => ({
            label: name,
            value,
            text: number(value),
            colour: value < 0 ? colour("negative") : colour("positive"),
          }),
        ),
      };
      drawBars(said, {
        bars: bars.prediction,
        ends: classes ? [0, 1] : undefined,
        axisTitle: classes ? "probability" : `${set.response.label} (${set.response.unit})`,
        tall: 30,
      });
      said.note.textContent =
        state.values || !now.hasRecords ? "For inputs that you set." : `Observed: ${observedText(set, state.record)}.`;
      drawBars(why, {
        bars: bars.relevance,
        axisTitle: classes ? `share in the logit of ${now.outputs[now.output]}` : "share in the output",
      });
      why.note.textContent =
        `Layer-wise relevance (LRP-0). Inputs and biases add up to ${number(now.z[now.output], 4)}, ` +
        `the output before ${classes ? "softmax" : "scaling"}.`;
      output.field.hidden = !classes;
      output.update(
        now.outputs.map((name, k) => [k, name]),
        now.output,
      );
      overall.hidden = !now.hasRecords || set.blind;
      if (!overall.hidden) whole(state);
      [said, why, network, matrix, scatter].forEach((one) => one.retable());
    },
  };

  function whole(state) {
    const { set } = now;
    const classes = set.kind === "classification";
    matrix.figure.hidden = !classes;
    scatter.figure.hidden = classes;
    if (classes) drawConfusion(matrix, { confusion: now.scores.confusion, classes: set.classes });
    else {
      const predicted = Float64Array.from(now.all.z, (z) => z * set.response.scale + set.response.mean);
      const drawn = drawScatter(scatter, {
        observed: set.y,
        predicted,
        now: state.values ? null : state.record,
        unit: ` ${set.response.label} (${set.response.unit})`,
      });
      scatter.note.textContent = `${drawn}; the ring is the chosen record.`;
    }
    const rows = scoreRows().slice(1);
    metrics.replaceChildren(
      element("h3", {}, "On all records here"),
      element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      element(
        "p",
        { class: "note" },
        `${number(set.rows.length, 4)} records that the network was not trained on, in whole storms, ` +
          `${state.epoch === 0 ? "before training" : `after epoch ${state.epoch}`}.`,
      ),
    );
  }
}
