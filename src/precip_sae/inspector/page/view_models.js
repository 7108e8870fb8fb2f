// Own models: open files, see what did not fit, save the chosen network in the study's format.

import { adopt } from "./adopt.js";
import { element } from "./chart.js";
import { FileError, published, readPackage, readPublished } from "./files.js";
import { number } from "./text.js";

export function modelsView(parent, { store, current, content, announce }) {
  const input = element("input", {
    type: "file",
    id: "files",
    class: "unseen",
    multiple: true,
    accept: ".json,.safetensors",
    onchange: () => open(input.files),
  });
  const drop = element(
    "div",
    { class: "drop panel" },
    element("h3", {}, "Open a network"),
    element(
      "p",
      {},
      "Drop files here, or choose them: a JSON file in the format of the study's page, or config.json and " +
        "weights.safetensors of a folder models/TASK/mlp together. They stay on this computer.",
    ),
    input,
    element("label", { for: "files", class: "button" }, "Choose files"),
  );
  const messages = element("ul", { class: "messages", "aria-live": "assertive" });
  const list = element("ul", { class: "opened" });
  const save = element("button", { type: "button", onclick: () => download() }, "Save the chosen network as JSON");
  const about = element("p", { class: "note" });
  parent.append(
    drop,
    messages,
    element("div", { class: "panel" }, element("h3", {}, "Opened here"), list),
    element("div", { class: "panel" }, element("h3", {}, "Save"), about, save),
  );
  for (const name of ["dragover", "dragleave", "drop"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dragging", name === "dragover");
      if (name === "drop" && event.dataTransfer?.files.length) {
        store.set({ view: "models" });
        open(event.dataTransfer.files);
      }
    });
  }

  async function open(files) {
    const given = Array.from(files);
    messages.replaceChildren();
    const tensors = given.filter((f) => f.name.endsWith(".safetensors"));
    for (const file of given.filter((f) => !f.name.endsWith(".safetensors"))) {
      try {
        const text = await file.text();
        const read = tensors.length
          ? readPackage(file.name, text, tensors[0].name, await tensors[0].arrayBuffer())
          : readPublished(file.name, text);
        take(adopt(content, read));
      } catch (error) {
        if (!(error instanceof FileError)) console.error(error);
        say(error instanceof FileError ? error.message : `${file.name}: cannot be read (${error.message}).`, "error");
      }
    }
    if (tensors.length && tensors.length === given.length)
      say(`${tensors[0].name}: came alone, expected config.json beside it.`, "error");
    input.value = "";
  }

  function say(text, kind) {
    messages.append(element("li", { class: kind }, text));
  }

  function take(set) {
    say(
      `${set.title}: ${set.inputs.length} inputs, ${set.models[0].hidden} hidden units; ${
        set.rows.length
          ? `tried on ${number(set.rows.length, 4)} records of this page`
          : "no records here have its inputs, so set them by hand under Testing"
      }.`,
      "fine",
    );
    list.append(
      element("li", {}, element("button", { type: "button", onclick: () => show(set) }, `Show ${set.title}`)),
    );
    announce();
    store.set({ ...fresh(set), view: store.get().view });
  }

  const fresh = (set) => ({
    task: set.id,
    hidden: set.own,
    seed: 0,
    epoch: null,
    record: null,
    values: null,
    latent: null,
    edits: {},
    output: null,
    step: 0,
  });
  const show = (set) => store.set({ ...fresh(set), view: "training" });

  function download() {
    const now = current(store.get());
    const text = JSON.stringify(published(now.set, now.model, now.x));
    const link = element("a", {
      href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
      download: `${now.set.id}-${now.model.hidden}.json`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  return {
    open,
    update(now) {
      about.textContent =
        `${now.set.title}: ${now.model.hidden} hidden units. ` +
        "The file can be opened here again, by the study's page, and by precip_sae.models.exchange.";
    },
  };
}
