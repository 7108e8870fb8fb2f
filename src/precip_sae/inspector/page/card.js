// A latent's card: what it responds to, from which value on, whether other seeds have it, what it is good for.

import { chart, colour, element } from "./chart.js";
import { drawResponse } from "./draw_lines.js";
import { latentEffects } from "./model.js";
import { binned, correlations, inOrder, threshold as cutOf, unitOf } from "./statistics.js";
import { latentName, number, percent, sensitiveTo, signed } from "./text.js";

const WELL = 0.75; // share of records on the right side from which a threshold is worth a sentence

export function card(parent) {
  const heading = element("h3", {}, "");
  const facts = element("dl", { class: "facts" });
  const small = element("div", { class: "multiples" });
  const figure = element("section", { class: "panel card", "aria-label": "The latent's card" }, heading, facts, small);
  parent.append(figure);
  let charts = [];
  let shown = null;
  let about = { key: "" };

  // What does not depend on the chosen record: the card is not counted again while a reader moves through a storm.
  function described(now, state, threshold) {
    const key = `${now.id}/${state.sae}/${now.latent}`;
    if (about.key === key) return about;
    const { set, model, table } = now;
    const activity = unitOf(now.latentsAll, model.latents, now.latent);
    const active = activity.reduce((sum, a) => sum + (a > 0 ? 1 : 0), 0) / activity.length;
    const values = set.inputs.map((input) => Float64Array.from(set.rows, (row) => table.columns[input.name][row]));
    const orders = values.map((v) => inOrder(v));
    const cuts = values.map((v, i) => cutOf(v, activity, orders[i]));
    const bins = values.map((v, i) => binned(v, activity, orders[i]));
    about = {
      key,
      active,
      cuts,
      bins,
      sensitive: sensitiveTo(now.latentR[now.latent], set.inputs, threshold),
      facts: factsOf(now, state, activity, active, cuts),
    };
    return about;
  }

  return {
    figure,
    update(now, state, threshold) {
      const { set } = now;
      const k = now.latent;
      const r = now.latentR[k];
      const { active, sensitive, cuts, bins, facts: rows } = described(now, state, threshold);
      const after = active === 0 ? "silent" : sensitive;
      heading.textContent = `${latentName(k)} of the ${state.sae} SAE${after ? `: ${after}` : ""}`;
      facts.replaceChildren(...rows.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
      if (shown !== set) {
        shown = set;
        small.replaceChildren();
        charts = set.inputs.map((input, i) =>
          chart(small, {
            title: input.label,
            height: 150,
            className: "small",
            rows: () => charts[i].rows,
          }),
        );
      }
      set.inputs.forEach((input, i) => {
        charts[i].rows = [
          [`${input.label} ${input.unit}`, "lower quartile", "median", "upper quartile"],
          ...bins[i].map((b) => [b.x, b.low, b.median, b.high].map((v) => number(v))),
        ];
        drawResponse(charts[i], {
          bins: bins[i],
          input,
          name: "activation",
          cut: cuts[i] && cuts[i].share > WELL ? cuts[i].at : null,
          now: now.values[i],
          line: colour(state.sae),
        });
        charts[i].heading.textContent = `${input.label}: r ${signed(r[i])}`;
        charts[i].retable();
      });
    },
  };
}

function factsOf(now, state, activity, active, cuts) {
  const { inputs } = now.set;
  const family = familyOf(now, state);
  return [
    ...(family
      ? [
          [
            "Family",
            `${family.reading}; it returns in ${percent(family.share, 0)} of all seeds (similarity ${number(family.similarity, 2)})`,
          ],
        ]
      : []),
    ["Speaks in", `${percent(active, 0)} of the records`],
    ["Strongest inputs", strongest(now.latentR[now.latent], inputs)],
    ["Threshold", sentence(cuts, inputs)],
    ["Other seeds", stability(now, state, activity)],
    ["Without it", ablation(now, now.latent)],
    ["Adds per unit", effects(now, now.latent)],
  ];
}

// The family that the paper found this latent to belong to: known of the trained SAEs of the task's own networks.
function familyOf(now, state) {
  const { set, model } = now;
  if (state.sae !== "trained" || model.hidden !== set.own || model.l1 > 0) return undefined;
  return set.families?.find((family) => family.members[model.seed] === now.latent);
}

function strongest(r, inputs) {
  const order = r
    .map((v, i) => [v, inputs[i].label])
    .filter(([v]) => !Number.isNaN(v))
    .sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]));
  return order.length
    ? order
        .slice(0, 3)
        .map(([v, name]) => `${name} (r ${signed(v)})`)
        .join(", ")
    : "none: it never speaks";
}

// The input whose value best tells where it speaks from where it is silent.
function sentence(cuts, inputs) {
  const best = cuts
    .map((cut, i) => ({ ...cut, input: inputs[i] }))
    .filter((c) => c.share > WELL)
    .sort((a, b) => b.share - a.share)[0];
  if (!best) return "no single value of an input tells when it speaks";
  const place = `${best.above ? "above" : "below"} ${best.input.label} = ${number(best.at)} ${best.input.unit}`;
  return `speaks ${place}, right in ${percent(best.share, 0)} (mean of active and silent records)`;
}

// The most alike latent of every other seed's SAE, by |r| of activations over the records.
function stability(now, state, activity) {
  const { models } = now;
  if (models.length < 2) return "no other seed here";
  const found = models.flatMap((model, seed) => {
    if (seed === state.seed) return [];
    const others = now.latentsFor(state.sae, seed);
    const all = correlations(others, model.latents, activity, 1).map(([r]) => Math.abs(r) || 0);
    const best = all.indexOf(Math.max(...all));
    return [`seed ${model.seed}: ${latentName(best)} (|r| ${number(all[best], 2)})`];
  });
  return `most alike in ${found.join(", ")}`;
}

// What switching it off does to the scores on all records.
function ablation(now, k) {
  if (now.set.blind) return "not known: nothing was observed";
  const before = now.finalScores;
  const after = now.scoresWith({ [k]: { how: "off", value: 0 } });
  if (now.set.kind === "classification")
    return `accuracy ${percent(before.accuracy, 2)} → ${percent(after.accuracy, 2)}`;
  const unit = now.set.response.unit;
  return `mean squared error ${number(before.mse)} → ${number(after.mse)} (${unit})²`;
}

function effects(now, k) {
  const all = latentEffects(now.finalNet, now.sae);
  const outs = now.finalNet.outs;
  return (
    now.outputs.map((name, o) => `${name} ${signed(all[k * outs + o])}`).join(", ") + (outs > 1 ? " (logits)" : "")
  );
}
