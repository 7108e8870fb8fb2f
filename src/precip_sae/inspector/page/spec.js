// The columns and lines of the network's drawing, from the state.

import { colour } from "./chart.js";
import { classColour } from "./draw_lines.js";
import { activationFill } from "./draw_network.js";
import { latentEffects, predictionOf } from "./model.js";
import { latentName, number, percent, unitName, withUnit } from "./text.js";

// Weights times what stands at their start: what flows along each line for a record.
function flows(weights, from, to) {
  return weights.map((w, k) => w * from[Math.floor(k / to)]);
}

function inputNodes(now) {
  const fill = colour("panel");
  return now.set.inputs.map((input, i) => ({
    label: input.label,
    detail: `${input.meaning || input.name}, ${number(now.values[i])} ${input.unit}`,
    value: `${number(now.values[i])} ${input.unit}`,
    fill,
    ink: colour("ink"),
    bias: null,
  }));
}

function outputNodes(now, z, biases) {
  const said = predictionOf(now.set, z);
  const classes = now.set.kind === "classification";
  return now.outputs.map((name, k) => ({
    label: name,
    detail: classes ? `probability ${percent(said[k])}` : `${number(said[k])} ${now.set.response.unit}`,
    value: classes ? percent(said[k]) : `${number(said[k])} ${now.set.response.unit}`,
    fill: classes ? classColour(name, k) : colour("rate"),
    ink: colour("ink"),
    bias: biases ? biases[k] : null,
    faded: classes && said[k] < 0.02,
  }));
}

function unitNodes(h, tops, biases) {
  return Array.from(h, (value, j) => ({
    label: unitName(j),
    detail: `activation ${number(value)}`,
    ...activationFill(value / tops[j]),
    bias: biases[j],
  }));
}

// Inputs, hidden units, outputs after the epoch of the state.
export function networkSpec(now, state) {
  const { net } = now;
  const signal = state.lines === "signal";
  const columns = [
    { title: "inputs", nodes: inputNodes(now) },
    { title: "hidden units", nodes: unitNodes(now.h, now.scale, net.firstBias) },
    {
      title: now.set.kind === "classification" ? "classes" : "response",
      nodes: outputNodes(now, now.z, net.secondBias),
    },
  ];
  const links = signal
    ? [flows(net.first, now.x, net.mid), flows(net.second, now.h, net.outs)]
    : [net.first, net.second];
  const said = columns[2].nodes.map((n) => `${n.label} ${n.value}`).join(", ");
  return {
    columns,
    links,
    spoken: `Network of ${net.ins} inputs, ${net.mid} hidden units, ${net.outs} outputs: ${said}.`,
  };
}

// Inputs, hidden units, latents, outputs of the last epoch, with what the reader did to the latents.
export function featureSpec(now, state, changed) {
  const { finalNet: net, sae } = now;
  const effects = latentEffects(net, sae);
  const signal = state.lines === "signal";
  const tops = now.latentScale;
  const columns = [
    { title: "inputs", nodes: inputNodes(now) },
    { title: "hidden units", nodes: unitNodes(now.finalH, now.finalScale, net.firstBias) },
    {
      title: `latents (${state.sae} SAE)`,
      pick: true,
      nodes: Array.from(changed.latents, (value, k) => ({
        label: latentName(k),
        detail: `activation ${number(value)}${state.edits[k] ? ", changed by you" : ""}`,
        ...activationFill(value / tops[k]),
        bias: sae.firstBias[k],
        chosen: k === now.latent,
      })),
    },
    { title: now.set.kind === "classification" ? "classes" : "response", nodes: outputNodes(now, changed.z, null) },
  ];
  const links = signal
    ? [
        flows(net.first, now.x, net.mid),
        flows(sae.first, now.finalH, sae.mid),
        flows(effects, changed.latents, net.outs),
      ]
    : [net.first, sae.first, effects];
  const said = columns[3].nodes.map((n) => `${n.label} ${n.value}`).join(", ");
  return { columns, links, spoken: `Network with ${sae.mid} latents of the ${state.sae} SAE: ${said}.` };
}

// `Temperature 271 K` of every input, for the tables.
export const valueRows = (now) => [
  ["input", "value", "standardised"],
  ...now.set.inputs.map((input, i) => [withUnit(input), number(now.values[i], 5), number(now.x[i], 5)]),
];
