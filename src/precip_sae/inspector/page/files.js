// Networks of anybody's: read from the study's JSON or from this package's config and safetensors, and written as JSON.
// Whatever does not fit is a sentence that names the field, what was found and what was expected.

import { forwardAll, networkAt, TRANSFORMS } from "./model.js";

const OUR_NAMES = {
  Temperature: "T",
  "Relative Humidity": "RH",
  Pressure: "P",
  Wind_Speed: "WS",
  "Cloud Top Height": "ETH",
};
// Inputs of which the study may take log10, with a usual value: the scaler's mean lies near it or near its logarithm.
const USUAL = { n0: 300, Nt: 8000, lambda: 0.8, Rho: 0.18, Dm: 1.5 };
const KINDS = {
  categorical_crossentropy: "classification",
  sparse_categorical_crossentropy: "classification",
  mse: "regression",
  mean_squared_error: "regression",
};
const MOST = { inputs: 64, hidden: 64, outputs: 16, epochs: 2000 };

export class FileError extends Error {}

const shown = (value) => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
};

// Getters on a JSON object that refuse what does not fit.
function reader(file, content) {
  const fail = (field, found, expected) => {
    throw new FileError(`${file}: ${field} ${found}, expected ${expected}.`);
  };
  const shapeOf = (value) => (Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : []);
  const self = {
    fail,
    field(name, test, expected) {
      if (!Object.hasOwn(content, name)) fail(name, "is missing", expected);
      if (!test(content[name])) fail(name, `is ${shown(content[name])}`, expected);
      return content[name];
    },
    object: (name, expected) =>
      self.field(name, (v) => v !== null && typeof v === "object" && !Array.isArray(v), expected),
    optional: (name, instead) => (Object.hasOwn(content, name) ? self.object(name, "an object") : instead),
    names(name, most) {
      const found = self.field(name, Array.isArray, "a list of names");
      if (!found.length || !found.every((v) => typeof v === "string" && v !== ""))
        fail(name, `is ${shown(found)}`, "a list of names");
      if (new Set(found).size < found.length) fail(name, `is ${shown(found)}`, "different names");
      if (found.length > most) fail(name, `has ${found.length} names`, `at most ${most}`);
      return found;
    },
    // Finite numbers of a shape, flat.
    numbers(value, name, shape) {
      const expected = `finite numbers of shape ${shape.join(" x ")}`;
      if (value === undefined || value === null) fail(name, "is missing", expected);
      const found = shapeOf(value);
      if (found.length !== shape.length || found.some((n, k) => n !== shape[k]))
        fail(name, `has the shape ${found.join(" x ") || "of one value"}`, expected);
      const flat = shape.length > 1 ? value.flat(shape.length - 1) : value;
      const size = shape.reduce((a, b) => a * b, 1);
      if (flat.length !== size) fail(name, "has rows of several lengths", expected);
      const bad = flat.find((v) => typeof v !== "number" || !Number.isFinite(Math.fround(v)));
      if (bad !== undefined) fail(name, `holds ${shown(bad)}`, expected);
      return flat;
    },
  };
  return self;
}

function parsed(name, text) {
  let content;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new FileError(`${name}: is not JSON (${error.message}), expected a network in the study's format.`);
  }
  if (content === null || typeof content !== "object" || Array.isArray(content)) {
    throw new FileError(
      `${name}: holds ${shown(content)}, expected an object with predictors, weights_history and so on.`,
    );
  }
  return content;
}

// A network in the format of the study's page: what a set of the content is made of.
export function readPublished(name, text) {
  const content = parsed(name, text);
  const file = reader(name, content);
  const given = file.names("predictors", MOST.inputs);
  const predictors = given.map((p) => OUR_NAMES[p] ?? p);
  const responses = file.names("response_variable", MOST.outputs);
  // what is not needed to compute may be left out, as `precip_sae.models.exchange` does
  const settings = {
    LOSS_FUNC: responses.length === 1 ? "mse" : "categorical_crossentropy",
    ACTIVATION: "relu",
    ...file.optional("hyperparameters", {}),
  };
  if (!Object.hasOwn(KINDS, settings.LOSS_FUNC))
    file.fail("hyperparameters.LOSS_FUNC", `is ${shown(settings.LOSS_FUNC)}`, Object.keys(KINDS).join(" or "));
  if (settings.ACTIVATION !== "relu")
    file.fail("hyperparameters.ACTIVATION", `is ${shown(settings.ACTIVATION)}`, "relu");
  const kind = KINDS[settings.LOSS_FUNC];
  if ((responses.length === 1) !== (kind === "regression"))
    file.fail("response_variable", `has ${responses.length} names`, "one of a regression, several of classes");
  const history = file.field("weights_history", Array.isArray, "an entry for every epoch");
  if (!Object.hasOwn(content, "N_HIDDEN")) content.N_HIDDEN = history[0]?.[0]?.[0]?.length ?? null;
  else if (Array.isArray(content.N_HIDDEN) && content.N_HIDDEN.length === 1) [content.N_HIDDEN] = content.N_HIDDEN;
  const whole = (v) => Number.isInteger(v) && v >= 1 && v <= MOST.hidden;
  const hidden = file.field("N_HIDDEN", whole, `one hidden layer of 1 to ${MOST.hidden} units`);
  const biases = file.field("biases_history", Array.isArray, "an entry for every epoch");
  const epochs = history.length;
  if (!epochs || epochs > MOST.epochs) file.fail("weights_history", `has ${epochs} epochs`, `1 to ${MOST.epochs}`);
  if (biases.length !== epochs)
    file.fail("biases_history", `has ${biases.length} epochs`, `${epochs}, as weights_history`);
  const [ins, outs] = [predictors.length, responses.length];
  const size = ins * hidden + hidden + hidden * outs + outs;
  const weights = new Float32Array(epochs * size);
  for (let e = 0; e < epochs; e++) {
    for (const [list, field] of [
      [history, "weights_history"],
      [biases, "biases_history"],
    ]) {
      if (!Array.isArray(list[e]) || list[e].length !== 2)
        file.fail(`${field}[${e}]`, `is ${shown(list[e])}`, "2 layers");
    }
    weights.set(
      [
        ...file.numbers(history[e][0], `weights_history[${e}][0]`, [ins, hidden]),
        ...file.numbers(biases[e][0], `biases_history[${e}][0]`, [hidden]),
        ...file.numbers(history[e][1], `weights_history[${e}][1]`, [hidden, outs]),
        ...file.numbers(biases[e][1], `biases_history[${e}][1]`, [outs]),
      ],
      e * size,
    );
  }
  weights.shape = [epochs, size];
  const scaling = file.optional("scaling_info", { mean: predictors.map(() => 0), scale: predictors.map(() => 1) });
  const mean = file.numbers(scaling.mean, "scaling_info.mean", [ins]);
  const scale = file.numbers(scaling.scale, "scaling_info.scale", [ins]);
  if (scale.some((s) => !(s > 0))) file.fail("scaling_info.scale", `holds ${Math.min(...scale)}`, "positive numbers");
  // curves and units are not needed to show a network: a file may leave them out
  const score = kind === "classification" ? "accuracy" : "mae";
  const curve = (field) =>
    Object.hasOwn(content, field)
      ? Float32Array.from(file.numbers(content[field], field, [epochs]))
      : new Float32Array(epochs).fill(NaN);
  const units = Object.hasOwn(content, "units")
    ? file.field("units", (v) => Array.isArray(v) && v.length === ins, `${ins} units, one per predictor`).map(String)
    : predictors.map(() => "");
  const likely = (p, k) =>
    Object.hasOwn(USUAL, p) && Math.abs(mean[k] - Math.log10(USUAL[p])) < Math.abs(mean[k] - USUAL[p]);
  const told = file.optional(
    "transforms",
    Object.fromEntries(given.filter((_, k) => likely(predictors[k], k)).map((p) => [p, "log10"])),
  );
  for (const [p, transform] of Object.entries(told)) {
    if (!given.includes(p) || !Object.hasOwn(TRANSFORMS, transform))
      file.fail(
        "transforms",
        `has ${shown(p)}: ${shown(transform)}`,
        `predictors with ${Object.keys(TRANSFORMS).join(", ")}`,
      );
  }
  const response = { mean: 0, scale: 1, ...file.optional("response_scaling", {}) };
  for (const key of ["mean", "scale"])
    if (!Number.isFinite(response[key])) file.fail(`response_scaling.${key}`, `is ${shown(response[key])}`, "a number");
  return {
    title: name,
    kind,
    classes: kind === "classification" ? responses : [],
    response: responses,
    inputs: predictors.map((p, k) => ({
      name: p,
      unit: units[k],
      transform: told[given[k]] ?? null,
      mean: mean[k],
      scale: scale[k],
    })),
    scaled: [response.mean, response.scale],
    models: [
      {
        hidden,
        l1: settings.L1_flag === true && settings.L1 > 0 ? settings.L1 : 0,
        seed: 0,
        first_epoch: 1,
        weights,
        latents: 0,
        saes: {},
        curves: {
          loss: curve("loss_history"),
          val_loss: curve("val_loss_history"),
          score: curve(`${score}_history`),
          val_score: curve(`val_${score}_history`),
        },
      },
    ],
  };
}

// The tensors of a safetensors file: {name: {shape, values}}.
export function readTensors(name, buffer) {
  const fail = (what) => {
    throw new FileError(`${name}: ${what}, expected tensors as safetensors writes them.`);
  };
  if (buffer.byteLength < 8) fail(`has ${buffer.byteLength} bytes`);
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (length > buffer.byteLength - 8) fail(`says that its header has ${length} bytes and has ${buffer.byteLength - 8}`);
  let header;
  try {
    header = JSON.parse(new TextDecoder().decode(buffer.slice(8, 8 + length)));
  } catch {
    fail("has a header that is not JSON");
  }
  const found = {};
  for (const [key, tensor] of Object.entries(header)) {
    if (key === "__metadata__") continue;
    if (tensor?.dtype !== "F32") fail(`${key} is of type ${shown(tensor?.dtype)}, not F32`);
    const [from, to] = tensor.data_offsets ?? [];
    const bytes = buffer.slice(8 + length + from, 8 + length + to);
    const size = (tensor.shape ?? []).reduce((a, b) => a * b, 1);
    if (bytes.byteLength !== 4 * size)
      fail(`${key} has ${bytes.byteLength} bytes for the shape ${shown(tensor.shape)}`);
    found[key] = { shape: tensor.shape, values: new Float32Array(bytes) };
  }
  return found;
}

// Networks of this package: config.json and weights.safetensors of models/TASK/mlp.
export function readPackage(configName, text, tensorsName, buffer) {
  const config = parsed(configName, text);
  const file = reader(configName, config);
  const data = file.object("data", "the task's data section");
  const named = reader(configName, data);
  const predictors = named.names("predictors", MOST.inputs);
  const kind = named.field("kind", (v) => Object.values(KINDS).includes(v), "classification or regression");
  const classes = kind === "classification" ? named.names("classes", MOST.outputs) : [];
  const seeds = file.field("seeds", (v) => Array.isArray(v) && v.length > 0, "a list of seeds");
  const mean = file.numbers(config.mean, "mean", [predictors.length]);
  const scale = file.numbers(config.scale, "scale", [predictors.length]);
  if (scale.some((s) => !(s > 0))) file.fail("scale", `holds ${Math.min(...scale)}`, "positive numbers");
  const tensors = readTensors(tensorsName, buffer);
  const hidden = tensors["hidden.weight"]?.shape?.[2];
  const [ins, outs] = [predictors.length, classes.length || 1];
  const shapes = {
    "hidden.weight": [ins, hidden],
    "hidden.bias": [hidden],
    "output.weight": [hidden, outs],
    "output.bias": [outs],
  };
  for (const [key, shape] of Object.entries(shapes)) {
    const expected = [seeds.length, ...shape];
    if (!tensors[key])
      throw new FileError(`${tensorsName}: ${key} is missing, expected it of shape ${expected.join(" x ")}.`);
    if (tensors[key].shape.join() !== expected.join()) {
      throw new FileError(
        `${tensorsName}: ${key} has the shape ${tensors[key].shape.join(" x ")}, expected ${expected.join(" x ")}.`,
      );
    }
    if (!tensors[key].values.every(Number.isFinite))
      throw new FileError(`${tensorsName}: ${key} holds what is not a finite number, expected weights.`);
  }
  const epoch = config.settings?.epochs ?? 1;
  const none = new Float32Array(0);
  return {
    title: configName,
    kind,
    classes,
    response: kind === "classification" ? classes : [String(data.response ?? "response")],
    inputs: predictors.map((p, k) => ({
      name: p,
      unit: data.units?.[p] ?? "",
      transform: data.transforms?.[p] ?? null,
      mean: mean[k],
      scale: scale[k],
    })),
    scaled: [config.response_mean ?? 0, config.response_scale ?? 1],
    models: seeds.map((seed, m) => {
      const pieces = Object.entries(shapes).map(([key, shape]) => {
        const size = shape.reduce((a, b) => a * b, 1);
        return tensors[key].values.subarray(m * size, (m + 1) * size);
      });
      const weights = Float32Array.from(pieces.flatMap((p) => Array.from(p)));
      weights.shape = [1, weights.length];
      return {
        hidden,
        l1: 0,
        seed,
        first_epoch: epoch,
        weights,
        latents: 0,
        saes: {},
        curves: { loss: none, val_loss: none, score: none, val_score: none },
      };
    }),
  };
}

// A model in the study's format; `x` the sample whose activations it holds. Epochs before training are left out.
export function published(set, model, x) {
  const skipped = model.first_epoch === 0 ? 1 : 0;
  const positions = Array.from({ length: model.weights.shape[0] - skipped }, (_, k) => k + skipped);
  const nets = positions.map((p) => networkAt(set, model, p));
  const rows = (flat, width) =>
    Array.from({ length: flat.length / width }, (_, k) => Array.from(flat.subarray(k * width, (k + 1) * width)));
  const score = set.kind === "classification" ? "accuracy" : "mae";
  const curve = (values) =>
    values.length === nets.length && values.every(Number.isFinite) ? Array.from(values) : null;
  const curves = {
    loss_history: curve(model.curves.loss),
    val_loss_history: curve(model.curves.val_loss),
    [`${score}_history`]: curve(model.curves.score),
    [`val_${score}_history`]: curve(model.curves.val_score),
  };
  return {
    predictors: set.inputs.map((i) => i.name),
    units: set.inputs.map((i) => i.unit),
    transforms: Object.fromEntries(set.inputs.filter((i) => i.transform).map((i) => [i.name, i.transform])),
    response_variable: set.kind === "classification" ? set.classes : [set.response.name],
    N_HIDDEN: model.hidden,
    weights_history: nets.map((n) => [rows(n.first, n.mid), rows(n.second, n.outs)]),
    biases_history: nets.map((n) => [Array.from(n.firstBias), Array.from(n.secondBias)]),
    activations_history: nets.map((n) => {
      const { h, z } = forwardAll(n, x);
      return [Array.from(h), Array.from(z)];
    }),
    ...Object.fromEntries(Object.entries(curves).filter(([, values]) => values)),
    response_scaling: { mean: set.response.mean, scale: set.response.scale },
    scaling_info: { mean: set.inputs.map((i) => i.mean), scale: set.inputs.map((i) => i.scale) },
    hyperparameters: {
      OPTMIZER: "ADAM",
      LOSS_FUNC: set.kind === "classification" ? "categorical_crossentropy" : "mse",
      ACTIVATION: "relu",
      L1_flag: model.l1 > 0,
      L1: model.l1,
    },
  };
}
