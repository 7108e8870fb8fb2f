// Which network: what is predicted, from which inputs, how many hidden units, with or without penalty, which seed.

import { choice, element } from "./chart.js";

const groupOf = (set) => `${set.kind}/${set.kind === "classification" ? set.classes.join() : set.response.name}`;
const groupName = (set) =>
  set.kind === "classification"
    ? `Class: ${set.classes.join(", ")}`
    : `${set.response.meaning || set.response.label}${set.response.unit ? ` (${set.response.unit})` : ""}`;

function inputsName(set) {
  const kind = set.published
    ? "the published network"
    : set.picked
      ? "best of the search"
      : set.opened
        ? set.title
        : "";
  return set.inputs.map((i) => i.label).join(", ") + (kind ? ` · ${kind}` : "");
}

export function picker(parent, { store, content, current }) {
  const go = (patch) => store.set({ epoch: null, latent: null, edits: {}, ...patch });
  const move = (set) =>
    go({
      task: set.id,
      record: null,
      values: null,
      output: null,
      hidden: current(store.get()).set.own === store.get().hidden ? set.own : store.get().hidden,
    });
  const group = element("select", {
    id: "group",
    onchange: () => move(content.sets.find((set) => groupOf(set) === group.value)),
  });
  const task = element("select", {
    id: "task",
    onchange: () => move(content.sets.find((set) => set.id === task.value)),
  });
  parent.append(
    element("div", { class: "pick" }, element("label", { for: "group" }, "Predict"), group),
    element("div", { class: "pick" }, element("label", { for: "task" }, "From inputs"), task),
  );
  const hidden = choice(parent, {
    legend: "Hidden units",
    name: "hidden",
    options: [],
    chosen: (value) => go({ hidden: value }),
  });
  const l1 = choice(parent, { legend: "Penalty (L1)", name: "l1", options: [], chosen: (value) => go({ l1: value }) });
  const seed = choice(parent, { legend: "Seed", name: "seed", options: [], chosen: (value) => go({ seed: value }) });
  let offered = "";

  return {
    update(now, state) {
      const key = content.sets.map((set) => set.id).join() + state.task;
      if (offered !== key) {
        offered = key;
        const firsts = content.sets.filter(
          (set, k) => content.sets.findIndex((s) => groupOf(s) === groupOf(set)) === k,
        );
        group.replaceChildren(...firsts.map((set) => element("option", { value: groupOf(set) }, groupName(set))));
        const mine = content.sets.filter((set) => groupOf(set) === groupOf(now.set));
        task.replaceChildren(...mine.map((set) => element("option", { value: set.id }, inputsName(set))));
        group.value = groupOf(now.set);
        task.value = now.set.id;
      }
      const sizes = [...new Set(now.set.models.map((m) => m.hidden))].sort((a, b) => a - b);
      hidden.update(
        sizes.map((n) => [n, String(n)]),
        state.hidden,
      );
      const sized = now.set.models.filter((m) => m.hidden === state.hidden);
      const penalties = [...new Set(sized.map((m) => m.l1))].sort((a, b) => a - b);
      l1.update(
        penalties.map((v) => [v > 0, v > 0 ? String(v) : "none"]),
        state.l1,
      );
      seed.update(
        now.models.map((m, k) => [k, m.seed === null ? "not known" : String(m.seed)]),
        state.seed,
      );
    },
  };
}
