// Features: the SAE beside the network. What each latent responds to, and what happens if it is changed.

import { card } from "./card.js";
import { chart, choice, colour, element } from "./chart.js";
import { recordControl, spellsOf } from "./controls.js";
import { classColour, drawSeries, observedColour } from "./draw_lines.js";
import { drawBars } from "./draw_marks.js";
import { drawNetwork, linkRows } from "./draw_network.js";
import { columnsOf, drawActivations, drawCorrelations } from "./draw_tiles.js";
import { editor } from "./editor.js";
import { intervene, outputOf, predictionOf } from "./model.js";
import { featureSpec } from "./spec.js";
import { meanSensitive, sensitiveInputs } from "./statistics.js";
import { latentName, number, percent, signed, time, unitName } from "./text.js";
import { stripOf, stripText } from "./view_training.js";

const ONE = "One network on the records of this page; the paper has all seeds and the whole test part.";
const PUBLISHED =
  "The study shipped this network without an SAE: this one was fitted here, on its activations on our records.";

export const SAES = [
  ["trained", "trained"],
  ["untrained", "untrained: the control"],
];

export function featuresView(parent, { store, current, content }) {
  const none = element("p", { class: "panel", hidden: true }, "There is no sparse autoencoder beside this network.");
  const side = element("div", { class: "side first" });
  const wide = element("div", { class: "wide" });
  parent.append(none, side, wide);
  const top = element("div", { class: "panel" }, element("h3", {}, "Sparse autoencoder (SAE)"));
  side.append(top);
  const which = choice(top, {
    legend: "Which SAE",
    name: "sae",
    options: SAES,
    chosen: (value) => store.set({ sae: value }),
  });
  const count = element("div", { class: "count", "aria-live": "polite" });
  top.append(count);
  const panel = element("div", { class: "panel" }, element("h3", {}, "Record"));
  side.append(panel);
  const record = recordControl(panel, { store, current });
  const edit = editor(side, { store });
  const effect = chart(side, { title: "The prediction, and with your changes", height: 140, rows: () => effects });
  const network = chart(wide, {
    title: "From inputs to latents",
    height: 360,
    rows: () => linkRows(spec.columns, spec.links),
    className: "network",
  });
  const lines = choice(wide, {
    legend: "Lines show",
    name: "lines-features",
    options: [],
    chosen: (value) => store.set({ lines: value }),
  });
  network.caption.after(lines.field);
  const pair = element("div", { class: "pair" });
  wide.append(pair);
  const units = chart(pair, {
    title: "Hidden units and inputs",
    height: 200,
    rows: () => relatedRows(now.r, unitName),
  });
  const latents = chart(pair, {
    title: "Latents and inputs",
    height: 300,
    rows: () => relatedRows(now.latentR, latentName),
  });
  const about = card(wide, { store });
  const series = chart(wide, {
    title: "In a storm",
    height: 190,
    rows: () => [
      ["time", latentName(now.latent)],
      ...places.map((p) => [time(p.time, now.table.dated), number(p.value)]),
    ],
  });
  const most = element("ol", { class: "most", "aria-label": "Records that excite the latent most" });
  series.figure.append(most);
  const both = element("div", { class: "pair" });
  wide.append(both);
  const heat = chart(both, { title: "Activations of hidden units", height: 200, className: "heat" });
  const latentHeat = chart(both, { title: "Activations of latents", height: 300, className: "heat" });
  let [now, state, spec, effects, places, waiting] = [null, null, null, [], [], 0];

  const pickLatent = (latent) => store.set({ latent });

  function relatedRows(r, name) {
    return [
      ["unit", ...now.set.inputs.map((i) => `r with ${i.label}`)],
      ...r.map((row, k) => [name(k), ...row.map(signed)]),
    ];
  }

  return {
    update(given, next) {
      [now, state] = [given, next];
      cancelAnimationFrame(waiting);
      none.hidden = now.sae !== null;
      side.hidden = wide.hidden = now.sae === null;
      if (!now.sae) return;
      which.update(SAES, state.sae);
      record.update(now, state);
      const changed = intervene(now.finalNet, now.sae, now.finalH, state.edits);
      edit.update(now, state, changed);
      lines.update(
        [
          ["weights", "weights"],
          ["signal", "what flows for this record"],
        ],
        state.lines,
      );
      spec = featureSpec(now, state, changed);
      drawNetwork(network, { ...spec, pick: (_, k) => pickLatent(k) });
      network.note.textContent =
        "After the last epoch. Choose a latent by clicking on it. Lines from latents to the right: " +
        "what a latent adds to an output per unit of its activation.";
      predictions(changed);
      wide.classList.toggle("no-records", !now.hasRecords);
      [pair, about.figure, series.figure, both].forEach((one) => {
        one.hidden = !now.hasRecords;
      });
      if (now.hasRecords) onRecords();
      [effect, network, units, latents].forEach((one) => one.retable());
    },
  };

  function predictions(changed) {
    const { set } = now;
    const classes = set.kind === "classification";
    const before = predictionOf(set, outputOf(now.finalNet, now.finalH));
    const after = predictionOf(set, changed.z);
    const text = (v) => (classes ? percent(v) : `${number(v)} ${set.response.unit}`);
    effects = [
      ["", "network", "with changes"],
      ...now.outputs.map((name, k) => [name, text(before[k]), text(after[k])]),
    ];
    drawBars(effect, {
      tall: 30,
      ends: classes ? [0, 1] : undefined,
      axisTitle: classes ? "probability" : `${set.response.label} (${set.response.unit})`,
      bars: now.outputs.map((name, k) => ({
        label: classes ? name : set.response.label,
        value: after[k],
        faint: before[k],
        text: text(after[k]),
        colour: classes ? classColour(name, k) : colour("rate"),
      })),
    });
    const edits = Object.keys(state.edits).length;
    effect.note.textContent = edits
      ? `Outline: without your ${edits === 1 ? "change" : "changes"}. The SAE's own error is left as it is.`
      : "Nothing is changed yet.";
  }

  function onRecords() {
    const { set, model } = now;
    const [threshold, inputs] = [content.threshold, set.inputs];
    counts(threshold);
    const names = (name, number_) => Array.from({ length: number_ }, (_, k) => name(k));
    drawCorrelations(units, {
      r: now.r,
      inputs,
      names: names(unitName, model.hidden),
      threshold,
      spoken: "Correlation of hidden units with inputs",
    });
    drawCorrelations(latents, {
      r: now.latentR,
      inputs,
      names: names(latentName, model.latents),
      threshold,
      chosen: now.latent,
      pick: pickLatent,
      spoken: "Correlation of latents with inputs",
    });
    units.note.textContent = `Pearson's r over the records; outlined: |r| above ${threshold}, which counts as sensitive.`;
    latents.note.textContent = `The same for the ${state.sae} SAE's latents. Choose one by its row.`;
    // what stands further down is drawn a frame later, so that another model is there at once
    waiting = requestAnimationFrame(() => below(threshold, names));
  }

  function below(threshold, names) {
    const { set, model } = now;
    about.update(now, state, threshold);
    storm();
    const columns = set.columns ?? (set.columns = columnsOf(set));
    const common = { columns, strip: stripOf(set), below: stripText(set) };
    drawActivations(heat, {
      ...common,
      units: now.finalAll.h,
      count: model.hidden,
      tops: now.finalScale,
      names: names(unitName, model.hidden),
    });
    drawActivations(latentHeat, {
      ...common,
      units: now.latentsAll,
      count: model.latents,
      tops: now.latentScale,
      names: names(latentName, model.latents),
      chosen: now.latent,
    });
    series.retable();
  }

  function counts(threshold) {
    const before = meanSensitive(sensitiveInputs(now.r, threshold));
    const rows = SAES.map(([kind]) => {
      const after = meanSensitive(sensitiveInputs(now.latentRFor(kind), threshold));
      return [kind, after, 1 - after / before];
    });
    count.replaceChildren(
      element("p", {}, "Sensitive inputs per unit, over units that have any:"),
      element(
        "dl",
        {},
        element("dt", {}, "hidden units"),
        element("dd", {}, number(before)),
        ...rows.flatMap(([kind, after, share]) => [
          element("dt", { class: kind === state.sae ? "on" : "" }, `${kind} SAE`),
          element(
            "dd",
            { class: kind === state.sae ? "on" : "" },
            `${number(after)} (${Number.isNaN(share) ? "–" : `${percent(Math.abs(share), 0)} ${share < 0 ? "more" : "fewer"}`})`,
          ),
        ]),
      ),
      element("p", { class: "note" }, now.set.published ? PUBLISHED : ONE),
    );
  }

  function storm() {
    const { set, model, table } = now;
    const records = spellsOf(set, table).find((one) => one.includes(state.record));
    const strip = observedColour(set);
    const at = (k) => now.latentsAll[k * model.latents + now.latent];
    const when = (k) => (table.time ? table.time[set.rows[k]] : k);
    places = records.map((k) => ({ time: when(k), value: at(k), colour: strip(set.y[k]) }));
    drawSeries(series, {
      places,
      dated: Boolean(table.time && table.dated),
      name: `activation of ${latentName(now.latent)}`,
      below: set.kind === "classification" ? "observed class" : `observed ${set.response.label}`,
      line: colour(state.sae),
      now: when(state.record),
      pick: (k) => store.set({ record: records[k], values: null }),
    });
    series.heading.textContent = `${latentName(now.latent)} in this storm`;
    // the strongest record of each spell, so that the list is not one storm
    const best = spellsOf(set, table).map((one) => one.reduce((a, b) => (at(b) > at(a) ? b : a)));
    const strongest = best
      .filter((k) => at(k) > 0)
      .sort((a, b) => at(b) - at(a))
      .slice(0, 5);
    series.note.textContent = strongest.length
      ? "Below: the storms that excite it most, at their strongest record."
      : "It is silent in all records.";
    most.replaceChildren(
      ...strongest.map((k) =>
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              onclick: () => store.set({ record: k, values: null }),
            },
            `${time(when(k), table.dated)}: ${number(at(k))}`,
          ),
        ),
      ),
    );
  }
}
