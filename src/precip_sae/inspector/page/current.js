// What follows from the state: the chosen network, its activations on the records, the SAE beside it. Each is
// computed when it is first asked for, and kept until what it depends on changes.

import { encode, forwardAll, hiddenOf, interveneAll, networkAt, outputOf, saeOf, standardise } from "./model.js";
import { correlations, largest, quantile, scores, unitOf } from "./statistics.js";

// Remembers the last few values of a computation by the key that it is made from.
function remembered(compute, most = 8) {
  const known = new Map();
  return (key, ...given) => {
    if (!known.has(key)) {
      if (known.size >= most) known.delete(known.keys().next().value);
      known.set(key, compute(...given));
    }
    return known.get(key);
  };
}

// The same object whose getters compute once.
function lazily(object) {
  for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    if (!get) continue;
    let [done, value] = [false, null];
    Object.defineProperty(object, name, {
      get() {
        if (!done) [done, value] = [true, get.call(object)];
        return value;
      },
    });
  }
  return object;
}

// All records of a set, standardised, flat [rows x inputs].
function inputsOf(set, table) {
  const x = new Float32Array(set.rows.length * set.inputs.length);
  if (!set.rows.length) return x;
  set.inputs.forEach((input, i) => {
    const column = table.columns[input.name];
    for (let r = 0; r < set.rows.length; r++) x[r * set.inputs.length + i] = standardise(input, column[set.rows[r]]);
  });
  return x;
}

export function createCurrent(content) {
  const inputs = remembered(inputsOf, 12);
  const forward = remembered(forwardAll, 24);
  const encoded = remembered((sae, h) => forwardAll(sae, h).h, 12);
  const related = remembered(correlations, 12);
  const changed = remembered(interveneAll, 3);
  const scored = remembered(scores, 6);
  const scaled = remembered((h, count) => Array.from({ length: count }, (_, j) => top(unitOf(h, count, j))), 16);

  // The 99th percentile, so that one record does not make all others dark; 1 for a unit that is silent.
  function top(values) {
    if (!values.length) return 1;
    const sorted = Float64Array.from(values).sort();
    return quantile(sorted, 0.99) || sorted[sorted.length - 1] || 1;
  }

  return (state) => {
    const set = content.sets.find((one) => one.id === state.task);
    const models = set.models.filter((m) => m.hidden === state.hidden && m.l1 > 0 === state.l1);
    const model = models[state.seed];
    const id = `${set.id}/${state.hidden}/${state.l1}/${state.seed}`;
    const last = model.weights.shape[0] - 1;
    const position = state.epoch - model.first_epoch;
    const table = set.table === null ? null : content.tables[set.table];
    const net = networkAt(set, model, position);
    const finalNet = networkAt(set, model, last);
    const sae = saeOf(model, state.sae);
    const row = set.rows[state.record];
    const found = lazily({
      set,
      models,
      model,
      id,
      table,
      net,
      finalNet,
      sae,
      row,
      position,
      outputs: set.kind === "classification" ? set.classes : [set.response.label],
      lastEpoch: model.first_epoch + last,
      hasRecords: set.rows.length > 0,
      // the record's inputs in their own units, or those set by hand
      get values() {
        if (state.values) return state.values;
        if (set.rows.length) return set.inputs.map((input) => table.columns[input.name][row]);
        return set.inputs.map((input) => (input.transform === "log10" ? 10 ** input.mean : input.mean));
      },
      get x() {
        return Float32Array.from(set.inputs, (input, i) => standardise(input, found.values[i]));
      },
      get h() {
        return hiddenOf(net, found.x);
      },
      get z() {
        return outputOf(net, found.h);
      },
      get xAll() {
        return inputs(set.id, set, table);
      },
      get all() {
        return forward(`${id}/${state.epoch}`, net, found.xAll);
      },
      // The SAE was trained on the last epoch's activations, so that is what it is shown with.
      get finalAll() {
        return forward(`${id}/${found.lastEpoch}`, finalNet, found.xAll);
      },
      get finalH() {
        return hiddenOf(finalNet, found.x);
      },
      get latents() {
        return encode(sae, found.finalH);
      },
      get latentsAll() {
        return found.latentsFor(state.sae, state.seed);
      },
      // Latents of the SAE of another kind, or of another seed's network, on all records.
      latentsFor(which, seed) {
        const other = models[seed];
        const otherId = `${set.id}/${state.hidden}/${state.l1}/${seed}`;
        const h = forward(`${otherId}/${found.lastEpoch}`, networkAt(set, other, last), found.xAll).h;
        return encoded(`${otherId}/${which}`, saeOf(other, which), h);
      },
      get r() {
        return related(`${id}/h`, found.finalAll.h, model.hidden, found.xAll, set.inputs.length);
      },
      get latentR() {
        return found.latentRFor(state.sae);
      },
      latentRFor(which) {
        const units = found.latentsFor(which, state.seed);
        return related(`${id}/${which}`, units, model.latents, found.xAll, set.inputs.length);
      },
      // The activation at which a unit counts as fully active, of every unit; 1 where there are no records.
      get scale() {
        return scaled(`${id}/${state.epoch}`, found.all.h, model.hidden);
      },
      get finalScale() {
        return scaled(`${id}/${found.lastEpoch}`, found.finalAll.h, model.hidden);
      },
      get latentScale() {
        return scaled(`${id}/${state.sae}`, found.latentsAll, model.latents);
      },
      // The output whose relevance is shown, and the latent whose card: those that were chosen, or the most telling.
      get output() {
        return state.output ?? largest(found.z, 0, net.outs);
      },
      get latent() {
        if (state.latent !== null || !set.rows.length) return state.latent ?? 0;
        const closest = found.latentR.map((row) => Math.max(...row.map((v) => Math.abs(v) || 0)));
        return closest.indexOf(Math.max(...closest));
      },
      get scores() {
        return scored(`${id}/${state.epoch}`, set, found.all.z);
      },
      get finalScores() {
        return scored(`${id}/${found.lastEpoch}`, set, found.finalAll.z);
      },
      // Scores of the last epoch's network with latents changed.
      scoresWith(edits) {
        const key = `${id}/${state.sae}/${JSON.stringify(edits)}`;
        return scored(key, set, changed(key, finalNet, sae, found.finalAll.z, found.latentsAll, edits));
      },
    });
    return found;
  };
}
