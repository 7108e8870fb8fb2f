// The one place where the page's state lives, and how it is written into the address after `#`.

/* global d3 */

export const VIEWS = ["training", "testing", "features", "models"];

export const START = {
  view: "training", // which of VIEWS
  task: null, // id of a set of networks
  hidden: null, // hidden units
  l1: false, // with the penalty on the hidden layer
  seed: 0, // position among the set's seeds
  sae: "trained", // or "untrained"
  epoch: null, // null: the last one
  record: null, // position among the set's records; null: one in which much happens
  values: null, // inputs in their own units, set by hand; null: those of the record
  latent: null, // null: the one that follows an input most closely
  edits: {}, // latent: {how: "off" | "scale" | "clamp", value}
  lines: "weights", // what the network's lines show: "weights", or "signal", what flows for the record
  output: null, // whose relevance is shown; null: that of the predicted class
  step: 0, // of the tour, from 1; 0: no tour
};

const HOW = { off: "off", scale: "x", clamp: "=" };

function editsText(edits) {
  return Object.entries(edits)
    .map(([k, { how, value }]) => `${k}:${how === "off" ? "off" : HOW[how] + value}`)
    .join(";");
}

function editsOf(text) {
  const edits = {};
  for (const [, k, rest] of text.matchAll(/(\d+):(off|[x=]-?[\d.e+-]+)(?:;|$)/g)) {
    const value = Number(rest.slice(1));
    if (rest === "off") edits[k] = { how: "off", value: 0 };
    else if (Number.isFinite(value)) edits[k] = { how: rest[0] === "x" ? "scale" : "clamp", value };
  }
  return edits;
}

// The state as it stands after `#`: what differs from the start, in the order of START.
export function address(state) {
  const found = new URLSearchParams();
  for (const [key, start] of Object.entries(START)) {
    const value = state[key];
    if (key === "edits") {
      if (Object.keys(value).length) found.set(key, editsText(value));
    } else if (key === "values") {
      if (value) found.set(key, value.map((v) => Number(v.toPrecision(7))).join(","));
    } else if (value !== start && value !== null) found.set(key, key === "l1" ? "1" : String(value));
  }
  return found.toString().replaceAll("%3A", ":").replaceAll("%3B", ";").replaceAll("%2C", ",").replaceAll("%3D", "=");
}

// The state that an address means; whatever it does not say, or says wrongly, is as at the start.
export function fromAddress(text) {
  const given = new URLSearchParams(text.replace(/^#/, ""));
  const state = { ...START };
  const whole = (key) => {
    const value = Number(given.get(key));
    if (given.has(key) && given.get(key) !== "" && Number.isInteger(value) && value >= 0) state[key] = value;
  };
  ["hidden", "seed", "epoch", "record", "latent", "output", "step"].forEach(whole);
  if (VIEWS.includes(given.get("view"))) state.view = given.get("view");
  if (given.get("task")) state.task = given.get("task");
  if (given.get("sae") === "untrained") state.sae = "untrained";
  if (given.get("lines") === "signal") state.lines = "signal";
  state.l1 = given.get("l1") === "1";
  if (given.get("edits")) state.edits = editsOf(given.get("edits"));
  const values = (given.get("values") ?? "").split(",").map((v) => (v.trim() === "" ? NaN : Number(v)));
  if (values.every(Number.isFinite)) state.values = values;
  return state;
}

const nearest = (wanted, known) => known.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));

// The record to begin with: of a regression that of the largest response, of classes one in the middle of the spell
// that holds the most of them.
function eventful(set, content) {
  if (set.eventful === undefined) {
    const spells = d3.group(set.rows.keys(), (k) =>
      set.table === null ? 0 : content.tables[set.table].spell[set.rows[k]],
    );
    const worth = (records) =>
      set.kind === "classification"
        ? new Set(records.map((k) => set.y[k])).size + Math.min(records.length, 99) / 100
        : Math.max(...records.map((k) => set.y[k]));
    const best = [...spells.values()].reduce((a, b) => (a === null || worth(b) > worth(a) ? b : a), null) ?? [0];
    set.eventful =
      set.kind === "classification" ? best[best.length >> 1] : best.reduce((a, b) => (set.y[b] > set.y[a] ? b : a));
  }
  return set.eventful;
}

// A state whose every part exists: the nearest size, a record that is there.
export function fitted(state, content) {
  const set = content.sets.find((one) => one.id === state.task) ?? content.sets[0];
  const hidden = nearest(
    state.hidden ?? set.own,
    set.models.map((m) => m.hidden),
  );
  const sized = set.models.filter((m) => m.hidden === hidden);
  const l1 = state.l1 ? sized.some((m) => m.l1 > 0) : !sized.some((m) => m.l1 === 0);
  const alike = sized.filter((m) => m.l1 > 0 === l1);
  const seed = Math.min(state.seed, alike.length - 1);
  const model = alike[seed];
  const last = model.first_epoch + model.weights.shape[0] - 1;
  const epoch = state.epoch === null ? last : Math.min(Math.max(state.epoch, model.first_epoch), last);
  const within = (k, count) => Math.min(k, Math.max(count - 1, 0));
  const outputs = set.kind === "classification" ? set.classes.length : 1;
  const edits = Object.fromEntries(Object.entries(state.edits).filter(([k]) => Number(k) < model.latents));
  return {
    ...state,
    task: set.id,
    hidden,
    l1,
    seed,
    epoch,
    edits,
    record: state.record === null ? eventful(set, content) : within(state.record, set.rows.length),
    latent: state.latent === null ? null : within(state.latent, model.latents),
    output: state.output === null ? null : within(state.output, outputs),
    values: state.values && state.values.length === set.inputs.length ? state.values : null,
  };
}

// The address without what a page that knows nothing would show anyway.
function shortest(state, content) {
  const plain = fitted({ ...START, task: state.task, hidden: state.hidden }, content);
  const own = fitted({ ...START, task: state.task }, content);
  const first = content.sets[0].id;
  return address({
    ...state,
    task: state.task === first ? null : state.task,
    hidden: state.hidden === own.hidden ? null : state.hidden,
    epoch: state.epoch === plain.epoch ? null : state.epoch,
    record: state.record === plain.record ? null : state.record,
  });
}

// Holds the state; everybody who listens is told once per change.
export function createStore(content) {
  let state = fitted(fromAddress(location.hash), content);
  const listeners = [];
  let waiting = 0;
  const write = () => {
    waiting = 0;
    const text = shortest(state, content);
    if (location.hash.replace(/^#/, "") !== text) history.replaceState(null, "", `#${text}`);
  };
  const store = {
    get: () => state,
    // Changes the state; browsers refuse addresses that change many times a second, so that waits a moment.
    set(patch) {
      const before = state;
      state = fitted({ ...state, ...patch }, content);
      clearTimeout(waiting);
      waiting = setTimeout(write, 200);
      for (const listener of listeners) listener(state, before);
    },
    listen: (listener) => listeners.push(listener),
    // The address of the state as it would be with `patch`.
    link: (patch) => `#${shortest(fitted({ ...state, ...patch }, content), content)}`,
    flush() {
      clearTimeout(waiting);
      write();
    },
  };
  return store;
}
