// What a reader does to a latent: leave it, switch it off, scale it, clamp it.

import { element } from "./chart.js";
import { latentName, number } from "./text.js";

const HOW = [
  ["as", "as it is"],
  ["off", "off"],
  ["scale", "scale"],
  ["clamp", "clamp"],
];

export function editor(parent, { store }) {
  const heading = element("h3", {}, "");
  const chooser = element("select", { id: "latent", onchange: () => store.set({ latent: Number(chooser.value) }) });
  const radios = HOW.map(([value, text]) => {
    const input = element("input", { type: "radio", name: "how", value, onchange: () => change(value) });
    return { input, label: element("label", {}, input, element("span", {}, text)) };
  });
  const amount = element("input", {
    type: "range",
    id: "amount",
    step: "any",
    oninput: () => change(how(), Number(amount.value)),
  });
  const said = element("output", { for: "amount" });
  const amountRow = element("div", { class: "amount" }, element("label", { for: "amount" }, "by"), amount, said);
  const reset = element("button", { type: "button", onclick: () => store.set({ edits: {} }) }, "Undo all changes");
  const list = element("p", { class: "note" });
  parent.append(
    element(
      "div",
      { class: "panel editor" },
      heading,
      element("div", { class: "row" }, element("label", { for: "latent" }, "Latent"), chooser),
      element(
        "fieldset",
        { class: "choice" },
        element("legend", {}, "Make it"),
        element("div", { class: "options" }, ...radios.map((r) => r.label)),
      ),
      amountRow,
      list,
      reset,
    ),
  );
  let latent = 0;
  let top = 1;
  let size = 0;

  const how = () => store.get().edits[latent]?.how ?? "as";

  function change(kind, value) {
    const { edits } = store.get();
    const rest = Object.fromEntries(Object.entries(edits).filter(([k]) => Number(k) !== latent));
    if (kind === "as") return store.set({ edits: rest });
    const start = { off: 0, scale: 2, clamp: Number(top.toPrecision(3)) }[kind];
    const amount_ = kind === "off" ? 0 : Number((value ?? start).toPrecision(4));
    return store.set({ edits: { ...rest, [latent]: { how: kind, value: amount_ } } });
  }

  return {
    update(now, state, changed) {
      latent = now.latent;
      top = now.latentScale[latent];
      if (size !== now.model.latents) {
        size = now.model.latents;
        chooser.replaceChildren(
          ...Array.from({ length: size }, (_, k) => element("option", { value: k }, latentName(k))),
        );
      }
      chooser.value = now.latent;
      const edit = state.edits[now.latent];
      const kind = edit?.how ?? "as";
      heading.textContent = `Change ${latentName(now.latent)}`;
      for (const { input } of radios) input.checked = input.value === kind;
      amountRow.hidden = kind === "as" || kind === "off";
      amount.min = 0;
      amount.max = kind === "scale" ? 4 : Math.max(2 * top, edit?.value ?? 0);
      amount.value = edit?.value ?? 0;
      said.textContent = kind === "scale" ? `× ${number(edit.value)}` : number(edit?.value ?? 0);
      amount.setAttribute("aria-valuetext", said.textContent);
      const before = now.latents[now.latent];
      const others = Object.entries(state.edits).map(
        ([k, e]) =>
          `${latentName(Number(k))} ${{ off: "off", scale: `× ${number(e.value)}`, clamp: `= ${number(e.value)}` }[e.how]}`,
      );
      const after = edit ? `, changed to ${number(changed.latents[now.latent])}` : "";
      const all = others.length ? ` Changed: ${others.join(", ")}.` : "";
      list.textContent = `Here it says ${number(before)}${after}.${all}`;
      reset.disabled = others.length === 0;
    },
  };
}
