// Training: the network as it learns, its curves, what its units do on the records.

import { chart, choice, colour, element } from "./chart.js";
import { drawCurves, observedColour } from "./draw_lines.js";
import { drawBars } from "./draw_marks.js";
import { drawNetwork, linkRows } from "./draw_network.js";
import { columnsOf, drawActivations } from "./draw_tiles.js";
import { dominance } from "./model.js";
import { player } from "./player.js";
import { networkSpec } from "./spec.js";
import { zeros } from "./statistics.js";
import { number, percent, unitName } from "./text.js";

export const MONOSEMANTIC = 0.8; // dominance above which the study's page calls a unit monosemantic

export function trainingView(parent, { store, clock, current }) {
  const wide = element("div", { class: "wide" });
  const side = element("div", { class: "side" });
  parent.append(wide, side);
  const bar = player(wide, { store, clock, current });
  const network = chart(wide, {
    title: "The network",
    height: 360,
    rows: () => linkRows(spec.columns, spec.links),
    className: "network",
  });
  const lines = choice(wide, {
    legend: "Lines show",
    name: "lines-training",
    options: [
      ["weights", "weights"],
      ["signal", "what flows for this record"],
    ],
    chosen: (value) => store.set({ lines: value }),
  });
  network.caption.after(lines.field);
  const loss = chart(side, { title: "Loss", height: 190, rows: () => curveRows("loss", "val_loss") });
  const skill = chart(side, { title: "Skill", height: 190, rows: () => curveRows("score", "val_score") });
  const heat = chart(wide, {
    title: "Activations on held-out records",
    height: 200,
    rows: () => unitRows(),
    className: "heat",
  });
  const units = chart(side, { title: "Silence and dominance", height: 200, rows: () => unitRows() });
  let now = null;
  let spec = null;
  let state = null;

  function curveRows(training, validation) {
    const { curves } = now.model;
    const rows = Array.from(curves[training], (value, k) => [
      k + 1,
      number(value, 4),
      number(curves[validation][k], 4),
    ]);
    return [["epoch", "training", "validation"], ...rows];
  }

  function unitRows() {
    const silent = now.hasRecords ? zeros(now.all.h, now.model.hidden) : null;
    const strong = dominance(now.net);
    const rows = strong.map((d, j) => [unitName(j), silent ? percent(silent[j], 0) : "–", number(d, 2)]);
    return [["unit", "records in which it is silent", "dominance"], ...rows];
  }

  const seek = (epoch) => store.set({ epoch });
  function curves() {
    const { curves: known } = now.model;
    const drawn = (a, b) => [
      { name: "training", values: known[a], first: 1, colour: colour("training") },
      { name: "validation", values: known[b], first: 1, colour: colour("validation"), dash: "5 3" },
    ];
    const there = (name) => known[name].some(Number.isFinite);
    loss.figure.hidden = !there("loss");
    skill.figure.hidden = !there("score");
    const common = { epoch: state.epoch, last: now.lastEpoch, seek };
    const classes = now.set.kind === "classification";
    const unit = now.set.response.unit;
    if (there("loss"))
      drawCurves(loss, {
        ...common,
        lines: drawn("loss", "val_loss"),
        logarithmic: true,
        title: classes ? "cross-entropy (nat)" : `mean squared error${unit ? ` ((${unit})²)` : ""}`,
      });
    if (there("score"))
      drawCurves(skill, {
        ...common,
        lines: drawn("score", "val_score"),
        logarithmic: false,
        title: classes ? "accuracy" : `mean absolute error${unit ? ` (${unit})` : ""}`,
      });
    skill.heading.textContent = classes ? "Skill: share of records told right" : "Skill: mean absolute error";
    loss.note.textContent =
      now.model.l1 > 0 ? "The training loss holds the penalty on the hidden layer, the validation loss does not." : "";
  }

  return {
    update(given, next) {
      [now, state] = [given, next];
      bar.update(now, state);
      lines.update(
        [
          ["weights", "weights"],
          ["signal", "what flows for this record"],
        ],
        state.lines,
      );
      spec = networkSpec(now, state);
      drawNetwork(network, spec);
      network.note.textContent =
        state.lines === "weights"
          ? "Lines: weights, red and solid above zero, blue and dashed below; the wider, the stronger. " +
            "Small dots: biases. Units: dark is silent, yellow strongly active for the chosen record."
          : "Lines: weight times what the unit before it says for the chosen record.";
      curves();
      heat.figure.hidden = !now.hasRecords;
      if (now.hasRecords) activations();
      const strong = dominance(now.net);
      drawBars(units, {
        tall: Math.max(17, Math.min(26, 240 / strong.length)),
        ends: [0, 1],
        axisTitle: "share of a unit's strongest input weight in all its weights",
        bars: strong.map((d, j) => ({
          label: unitName(j),
          value: d || 0,
          text: d.toFixed(2),
          colour: d > MONOSEMANTIC ? colour("accent") : colour("training"),
        })),
      });
      const alone = strong.filter((d) => d > MONOSEMANTIC).length;
      units.note.textContent =
        `Dominance: ${alone} of ${strong.length} units above ${MONOSEMANTIC}, ` +
        "which the study's page calls monosemantic.";
      [network, loss, skill, heat, units].forEach((one) => one.retable());
    },
  };

  function activations() {
    const { set, model } = now;
    const columns = set.columns ?? (set.columns = columnsOf(set));
    drawActivations(heat, {
      units: now.all.h,
      count: model.hidden,
      tops: now.scale,
      columns,
      names: Array.from({ length: model.hidden }, (_, j) => unitName(j)),
      strip: stripOf(set),
      below: stripText(set),
    });
    const silent = zeros(now.all.h, model.hidden);
    const mean = silent.reduce((a, b) => a + b, 0) / silent.length;
    const dead = silent.filter((s) => s >= 1).length;
    heat.note.textContent =
      `Sparsity: a unit is silent in ${percent(mean, 0)} of ${number(set.rows.length, 4)} records on average; ` +
      `${dead} of ${silent.length} never speak.`;
  }
}

// The colour of what was observed in a record.
export function stripOf(set) {
  const colour_ = observedColour(set);
  return (record) => colour_(set.y[record]);
}

// What the coloured strip under activations shows.
export const stripText = (set) =>
  set.kind === "classification"
    ? `records by observed class: ${set.classes.join(", ")}`
    : `records by observed ${set.response.label}, rising`;
