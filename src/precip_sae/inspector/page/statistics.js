// What is counted over records: correlations, sensitive inputs, scores, responses. No drawing, no state.

// Pearson's r of every unit with every input [units x inputs]; NaN for a unit that does not vary.
export function correlations(units, count, x, inputs) {
  const rows = x.length / inputs;
  const mean = (values, width, k) => {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += values[r * width + k];
    return sum / rows;
  };
  const xMeans = Array.from({ length: inputs }, (_, i) => mean(x, inputs, i));
  const r = [];
  for (let u = 0; u < count; u++) {
    const m = mean(units, count, u);
    const products = new Float64Array(inputs);
    const squares = new Float64Array(inputs);
    let own = 0;
    for (let row = 0; row < rows; row++) {
      const a = units[row * count + u] - m;
      own += a * a;
      for (let i = 0; i < inputs; i++) {
        const b = x[row * inputs + i] - xMeans[i];
        products[i] += a * b;
        squares[i] += b * b;
      }
    }
    r.push(Array.from(products, (p, i) => (own > 1e-12 && squares[i] > 0 ? p / Math.sqrt(own * squares[i]) : NaN)));
  }
  return r;
}

// How many inputs each unit is sensitive to: |r| above the threshold, strictly.
export const sensitiveInputs = (r, threshold) => r.map((row) => row.filter((v) => Math.abs(v) > threshold).length);

// The study's figure: mean number of sensitive inputs over the units that have at least one; NaN if none has.
export function meanSensitive(counts) {
  const some = counts.filter((n) => n > 0);
  return some.length ? some.reduce((a, b) => a + b, 0) / some.length : NaN;
}

// Share of zeros of each unit.
export function zeros(units, count) {
  const rows = units.length / count;
  const found = new Float64Array(count);
  for (let k = 0; k < units.length; k++) if (!(units[k] > 0)) found[k % count] += 1 / rows;
  return Array.from(found);
}

// Position of the largest of `count` numbers from `from` on.
export function largest(values, from, count) {
  let best = 0;
  for (let k = 1; k < count; k++) if (values[from + k] > values[from + best]) best = k;
  return best;
}

// Scores of outputs against what was observed. Classes: {accuracy, cross_entropy, confusion}; else {mse, mae, r2}.
export function scores(set, z) {
  const rows = set.y.length;
  if (set.kind === "classification") {
    const classes = set.classes.length;
    const confusion = Array.from({ length: classes }, () => new Array(classes).fill(0));
    let hits = 0;
    let entropy = 0;
    for (let r = 0; r < rows; r++) {
      const at = r * classes;
      const best = largest(z, at, classes);
      const top = z[at + best];
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += Math.exp(z[at + c] - top);
      entropy += top + Math.log(sum) - z[at + set.y[r]];
      confusion[set.y[r]][best] += 1;
      hits += best === set.y[r] ? 1 : 0;
    }
    return { accuracy: hits / rows, cross_entropy: entropy / rows, confusion };
  }
  let squares = 0;
  let absolute = 0;
  let mean = 0;
  for (let r = 0; r < rows; r++) mean += set.y[r] / rows;
  let variance = 0;
  for (let r = 0; r < rows; r++) {
    const error = z[r] * set.response.scale + set.response.mean - set.y[r];
    squares += error * error;
    absolute += Math.abs(error);
    variance += (set.y[r] - mean) ** 2;
  }
  return { mse: squares / rows, mae: absolute / rows, r2: variance > 0 ? 1 - squares / variance : NaN };
}

// The sorted copy's value at a share q, between neighbours.
export function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

// Positions of the finite values, from the smallest to the largest.
export function inOrder(values) {
  const order = Uint32Array.from(Array.from(values.keys()).filter((k) => Number.isFinite(values[k])));
  return order.sort((a, b) => values[a] - values[b]);
}

// A unit's activation along an input in bins of equal numbers of records: [{x, low, median, high}].
export function binned(values, activations, order, bins = 16) {
  const found = [];
  for (let b = 0; b < bins; b++) {
    const rows = order.slice(Math.floor((b * order.length) / bins), Math.floor(((b + 1) * order.length) / bins));
    if (!rows.length) continue;
    const here = Float64Array.from(rows, (k) => activations[k]).sort();
    found.push({
      x: values[rows[rows.length >> 1]],
      low: quantile(here, 0.25),
      median: quantile(here, 0.5),
      high: quantile(here, 0.75),
    });
  }
  return found;
}

// The value of an input that best tells a unit's zeros from its activity: {at, above, share}; `share` is the mean of
// the shares of active and of silent records on the right side. null for a unit that is always or never active.
export function threshold(values, activations, order) {
  let total = 0;
  for (const k of order) total += activations[k] > 0 ? 1 : 0;
  if (total === 0 || total === order.length) return null;
  let below = 0;
  let best = { at: NaN, above: true, share: 0 };
  for (let n = 1; n < order.length; n++) {
    below += activations[order[n - 1]] > 0 ? 1 : 0;
    if (values[order[n]] === values[order[n - 1]]) continue;
    const silent = order.length - total;
    const right = ((n - below) / silent + (total - below) / total) / 2; // zeros below, active above
    for (const [above, share] of [
      [true, right],
      [false, 1 - right],
    ]) {
      if (share > best.share) best = { at: (values[order[n]] + values[order[n - 1]]) / 2, above, share };
    }
  }
  return best;
}

// One unit's activations out of a flat [rows x count].
export function unitOf(units, count, k) {
  const found = new Float64Array(units.length / count);
  for (let r = 0; r < found.length; r++) found[r] = units[r * count + k];
  return found;
}
