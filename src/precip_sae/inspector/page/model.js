// The mathematics of the models, as `precip_sae.models` defines them. No drawing, no state.
// A network is x -> h = ReLU(x W1 + b1) -> z = h W2 + b2; an SAE h -> f = ReLU(h E + e) -> h^ = f D + d.
// Weights are float32 as trained; sums are taken in double precision.

export const TRANSFORMS = {
  log10: { there: Math.log10, back: (v) => 10 ** v, positive: true },
  log1p: { there: Math.log1p, back: Math.expm1, positive: false },
  sqrt: { there: Math.sqrt, back: (v) => v * v, positive: true },
  cbrt: { there: Math.cbrt, back: (v) => v ** 3, positive: false },
};

// An input's value in its own unit, standardised as float32: what the network was given.
export function standardise(input, value) {
  const transformed = input.transform ? TRANSFORMS[input.transform].there(value) : value;
  return Math.fround((transformed - input.mean) / input.scale);
}

// Two layers in a run of numbers: first [ins, mid], its bias [mid], second [mid, outs], its bias [outs].
function layers(numbers, ins, mid, outs) {
  let at = 0;
  const take = (count) => numbers.subarray(at, (at += count));
  return {
    ins,
    mid,
    outs,
    first: take(ins * mid),
    firstBias: take(mid),
    second: take(mid * outs),
    secondBias: take(outs),
  };
}

// The network of a model after `epoch` (a position among the epochs that are kept).
export function networkAt(set, model, position) {
  const outs = set.kind === "classification" ? set.classes.length : 1;
  const size = model.weights.shape[1];
  return layers(model.weights.subarray(position * size, (position + 1) * size), set.inputs.length, model.hidden, outs);
}

// The SAE of a model, `trained` or `untrained`; null if there is none.
export function saeOf(model, which) {
  const numbers = model.saes[which];
  return numbers ? layers(numbers, model.hidden, model.latents, model.hidden) : null;
}

// x W + b for one row; `rectified` as asked.
function affine(x, weights, bias, ins, outs, rectified) {
  const z = new Float64Array(outs);
  for (let j = 0; j < outs; j++) {
    let sum = bias[j];
    for (let i = 0; i < ins; i++) sum += x[i] * weights[i * outs + j];
    z[j] = rectified && sum < 0 ? 0 : sum;
  }
  return z;
}

export const hiddenOf = (net, x) => affine(x, net.first, net.firstBias, net.ins, net.mid, true);
export const outputOf = (net, h) => affine(h, net.second, net.secondBias, net.mid, net.outs, false);
export const encode = hiddenOf;
export const decode = outputOf;

// Probabilities of the classes from logits; the largest is taken off so that no exponential overflows.
export function softmax(z) {
  const top = Math.max(...z);
  const powers = Array.from(z, (v) => Math.exp(v - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}

// What a set's network says in the response's own unit: probabilities, or one value.
export function predictionOf(set, z) {
  if (set.kind === "classification") return softmax(z);
  return [z[0] * set.response.scale + set.response.mean];
}

// Rows through both layers: {h [rows x mid], z [rows x outs]}, flat.
export function forwardAll(net, x) {
  const rows = x.length / net.ins;
  const h = new Float32Array(rows * net.mid);
  const z = new Float64Array(rows * net.outs);
  for (let r = 0; r < rows; r++) {
    const from = r * net.ins;
    for (let j = 0; j < net.mid; j++) {
      let sum = net.firstBias[j];
      for (let i = 0; i < net.ins; i++) sum += x[from + i] * net.first[i * net.mid + j];
      h[r * net.mid + j] = sum > 0 ? sum : 0;
    }
    for (let o = 0; o < net.outs; o++) {
      let sum = net.secondBias[o];
      for (let j = 0; j < net.mid; j++) sum += h[r * net.mid + j] * net.second[j * net.outs + o];
      z[r * net.outs + o] = sum;
    }
  }
  return { h, z };
}

// Relevance of every input for one output by layer-wise relevance propagation (LRP-0; Bach et al. 2015).
// A unit passes its share h_j v_j on to the inputs as x_i w_ij / z_j; what the biases hold is `bias`.
// Sum of the inputs' relevances and of the bias: the output itself.
export function relevance(net, x, output) {
  const h = hiddenOf(net, x);
  const inputs = new Float64Array(net.ins);
  const units = new Float64Array(net.mid);
  let bias = net.secondBias[output];
  for (let j = 0; j < net.mid; j++) {
    const out = net.second[j * net.outs + output];
    units[j] = h[j] * out;
    if (h[j] <= 0) continue;
    bias += net.firstBias[j] * out;
    for (let i = 0; i < net.ins; i++) inputs[i] += x[i] * net.first[i * net.mid + j] * out;
  }
  return { inputs, units, bias };
}

// Share of a unit's strongest incoming weight in all: 1 if it listens to one input. The study's page calls a unit
// monosemantic above 0.8.
export function dominance(net) {
  return Array.from({ length: net.mid }, (_, j) => {
    let most = 0;
    let total = 0;
    for (let i = 0; i < net.ins; i++) {
      const w = Math.abs(net.first[i * net.mid + j]);
      most = Math.max(most, w);
      total += w;
    }
    return total > 0 ? most / total : NaN;
  });
}

// Latents after what the reader did to them. edits: {latent: {how: "off" | "scale" | "clamp", value}}.
export function edited(latents, edits) {
  const changed = Float64Array.from(latents);
  for (const [k, { how, value }] of Object.entries(edits)) {
    if (how === "off") changed[k] = 0;
    else if (how === "scale") changed[k] *= value;
    else changed[k] = value;
  }
  return changed;
}

// The network's output when latents are changed: h + (decode(f') - decode(f)) goes on to the output layer, so that
// the SAE's own error stays as it is, and without a change the network says what it always says.
export function intervene(net, sae, h, edits) {
  const before = encode(sae, h);
  const after = edited(before, edits);
  const a = decode(sae, before);
  const b = decode(sae, after);
  const moved = h.map((value, j) => value + (b[j] - a[j]));
  return { latents: after, hidden: moved, z: outputOf(net, moved) };
}

// What a latent adds to each output per unit of its activation: D W2, flat [latents x outputs].
export function latentEffects(net, sae) {
  const found = new Float64Array(sae.mid * net.outs);
  for (let l = 0; l < sae.mid; l++) {
    for (let o = 0; o < net.outs; o++) {
      let sum = 0;
      for (let j = 0; j < net.mid; j++) sum += sae.second[l * net.mid + j] * net.second[j * net.outs + o];
      found[l * net.outs + o] = sum;
    }
  }
  return found;
}

// `intervene` for many rows at once: the decoder and the output layer are linear, so a changed latent moves the
// outputs by its change times its effects. z: outputs without a change, flat [rows x outputs]; latents [rows x latents].
export function interveneAll(net, sae, z, latents, edits) {
  const effects = latentEffects(net, sae);
  const moved = Float64Array.from(z);
  for (const k of Object.keys(edits).map(Number)) {
    for (let r = 0; r < z.length / net.outs; r++) {
      const before = latents[r * sae.mid + k];
      const change = edited([before], { 0: edits[k] })[0] - before;
      for (let o = 0; o < net.outs; o++) moved[r * net.outs + o] += change * effects[k * net.outs + o];
    }
  }
  return moved;
}
