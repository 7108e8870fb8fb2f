// The record and its inputs: which record of which spell, and sliders in the inputs' own units.

import { element } from "./chart.js";
import { TRANSFORMS } from "./model.js";
import { number, time, withUnit } from "./text.js";

const STEPS = 400;
let made = 0;

// The set's records of every spell: [[position, ...], ...], in time order.
export function spellsOf(set, table) {
  if (set.spells) return set.spells;
  const found = new Map();
  set.rows.forEach((row, k) => {
    const spell = table ? table.spell[row] : 0;
    if (!found.has(spell)) found.set(spell, []);
    found.get(spell).push(k);
  });
  set.spells = [...found.values()];
  return set.spells;
}

// What was observed in a record, in words.
export function observedText(set, record) {
  const y = set.y[record];
  if (Number.isNaN(y)) return "not known";
  return set.kind === "classification" ? set.classes[y] : `${number(y)} ${set.response.unit}`;
}

// Chooses a spell, and a record in it.
export function recordControl(parent, { store, current }) {
  made += 1;
  const [spellId, recordId] = [`spell-${made}`, `record-${made}`];
  const spell = element("select", {
    id: spellId,
    class: "spell",
    onchange: () => go(spells()[Number(spell.value)][0]),
  });
  const slider = element("input", {
    type: "range",
    id: recordId,
    class: "within",
    min: 0,
    step: 1,
    oninput: () => go(mine()[Number(slider.value)]),
  });
  const said = element("output", { class: "record" });
  const go = (record) => store.set({ record, values: null });
  const spells = () => {
    const now = current(store.get());
    return spellsOf(now.set, now.table);
  };
  const mine = () => spells().find((records) => records.includes(store.get().record)) ?? spells()[0];
  const step = (by) => {
    const count = current(store.get()).set.rows.length;
    go((store.get().record + by + count) % count);
  };
  const random = () => go(Math.floor(Math.random() * current(store.get()).set.rows.length));
  const box = element(
    "div",
    { class: "record-control", role: "group", "aria-label": "Record" },
    element("label", { for: spellId }, "Storm"),
    spell,
    element("label", { for: recordId }, "Record"),
    slider,
    element(
      "span",
      { class: "buttons" },
      element("button", { type: "button", "aria-label": "Earlier record", onclick: () => step(-1) }, "◂"),
      element("button", { type: "button", "aria-label": "Later record", onclick: () => step(1) }, "▸"),
      element("button", { type: "button", onclick: random }, "Any"),
    ),
    said,
  );
  parent.append(box);
  let shown = null;
  return {
    update(now, state) {
      box.hidden = !now.hasRecords;
      if (box.hidden) return;
      const all = spellsOf(now.set, now.table);
      const number_ = all.findIndex((records) => records.includes(state.record));
      if (shown !== now.set) {
        shown = now.set;
        spell.replaceChildren(...all.map((records, k) => element("option", { value: k }, spellName(now, records, k))));
      }
      spell.value = number_;
      slider.max = all[number_].length - 1;
      slider.value = all[number_].indexOf(state.record);
      const when = now.table.time
        ? `${time(now.table.time[now.row], now.table.dated)}${now.table.dated ? " UTC" : ""}; `
        : "";
      said.textContent = `${when}observed: ${observedText(now.set, state.record)}`;
      slider.setAttribute("aria-valuetext", said.textContent);
    },
  };
}

function spellName(now, records, k) {
  const start = now.table.time ? time(now.table.time[now.set.rows[records[0]]], now.table.dated) : `rows ${k + 1}`;
  return `${start} (${records.length} records)`;
}

// A slider and a box for every input. A transformed input's slider moves along the transformed axis.
export function inputControls(parent, { store, current }) {
  const list = element("div", { class: "inputs" });
  const back = element("button", { type: "button", onclick: () => store.set({ values: null }) }, "Back to the record");
  parent.append(list, back);
  let shown = null;
  let rows = [];

  function change(i, value) {
    if (!Number.isFinite(value)) return;
    const now = current(store.get());
    const { transform } = now.set.inputs[i];
    if (transform && TRANSFORMS[transform].positive && value <= 0) return;
    store.set({ values: now.values.map((v, k) => (k === i ? value : v)) });
  }

  function build(set) {
    rows = set.inputs.map((input, i) => {
      const scale = input.transform ? TRANSFORMS[input.transform] : { there: (v) => v, back: (v) => v };
      const [low, high] = rangeOf(input, scale).map(scale.there);
      const at = (value) => Math.round((STEPS * (scale.there(value) - low)) / (high - low));
      const slider = element("input", {
        type: "range",
        min: 0,
        max: STEPS,
        step: 1,
        id: `input-${i}`,
        "aria-describedby": `warning-${i}`,
        oninput: (event) => change(i, scale.back(low + ((high - low) * Number(event.target.value)) / STEPS)),
      });
      const box = element("input", {
        type: "number",
        step: "any",
        "aria-label": `${withUnit(input)}, as a number`,
        onchange: (event) => change(i, Number(event.target.value)),
      });
      const warning = element("span", { class: "warning", id: `warning-${i}` });
      const name = element("label", { for: `input-${i}` }, element("b", {}, input.label), ` ${input.unit}`);
      const meaning = element(
        "span",
        { class: "meaning" },
        input.meaning + (input.transform === "log10" ? " (log axis)" : ""),
      );
      return {
        row: element("div", { class: "input" }, name, box, slider, meaning, warning),
        slider,
        box,
        warning,
        at,
        input,
      };
    });
    list.replaceChildren(...rows.map((r) => r.row));
  }

  return {
    update(now, state) {
      if (shown !== now.set) build((shown = now.set));
      rows.forEach(({ slider, box, warning, at, input }, i) => {
        const value = now.values[i];
        slider.value = at(value);
        slider.setAttribute("aria-valuetext", `${number(value)} ${input.unit}`);
        if (document.activeElement !== box) box.value = Number(value.toPrecision(5));
        const beyond =
          input.low !== null &&
          (value < input.low * (1 - 1e-6 * Math.sign(input.low)) ||
            value > input.high * (1 + 1e-6 * Math.sign(input.high)));
        warning.textContent = beyond
          ? `beyond the data (${number(input.low)} to ${number(input.high)} ${input.unit}): the network never saw such a value`
          : "";
      });
      back.hidden = state.values === null || !now.hasRecords;
    },
  };
}

// A slider's ends: the data's, or three standard deviations around the mean where no data are known.
function rangeOf(input, scale) {
  if (input.low !== null) return [input.low, input.high];
  return [scale.back(input.mean - 3 * input.scale), scale.back(input.mean + 3 * input.scale)];
}
