// The argument in six steps: a state of the page for each, with two sentences that quote what the page shows.

import { element } from "./chart.js";
import { meanSensitive, sensitiveInputs, unitOf } from "./statistics.js";
import { latentName, number, percent } from "./text.js";

// What the sentences quote of the network that is shown.
function quoted(now, threshold) {
  const units = sensitiveInputs(now.r, threshold);
  const before = meanSensitive(units);
  const after = (kind) => meanSensitive(sensitiveInputs(now.latentRFor(kind), threshold));
  const change = (kind) => {
    const share = 1 - after(kind) / before;
    return Number.isNaN(share) ? "no count" : `${percent(Math.abs(share), 0)} ${share < 0 ? "more" : "fewer"}`;
  };
  return { before, after, change, several: units.filter((n) => n > 1).length, units: units.length };
}

// The latent whose absence hurts the most.
function neededLatent(now) {
  const cost = (k) => {
    const after = now.scoresWith({ [k]: { how: "off", value: 0 } });
    return now.set.kind === "classification" ? after.cross_entropy : after.mse;
  };
  const costs = Array.from({ length: now.model.latents }, (_, k) => cost(k));
  return costs.indexOf(Math.max(...costs));
}

// The record in which a latent speaks loudest.
function strongest(now, latent) {
  const activity = unitOf(now.latentsAll, now.model.latents, latent);
  return activity.indexOf(Math.max(...activity));
}

const FEATURES = { view: "features", sae: "trained", lines: "weights" };

// text(quoted, now, content): two sentences.
const STEPS = [
  {
    title: "What a unit responds to",
    patch: () => ({ view: "testing", lines: "signal" }),
    text: (q) => [
      "A hidden unit adds up the inputs, each times a weight, and speaks when the sum is above zero:",
      "move a slider and watch the circles light up.",
      `Here ${q.several} of ${q.units} units follow more than one input, so few can be read as “warm” or “dense” alone.`,
    ],
  },
  {
    title: "What the SAE makes of it",
    patch: () => FEATURES,
    text: () => [
      "A sparse autoencoder (SAE) rewrites the hidden units as more numerous latents, of which few speak at a time,",
      "in the hope that each means one thing.",
      "Choose a latent in the drawing: its card says which inputs it follows, and from which value on it speaks.",
    ],
  },
  {
    title: "How the published figure is counted",
    patch: () => FEATURES,
    text: (q, now, content) => [
      `Count, for every unit, the inputs whose correlation with it exceeds ${content.threshold}, and take the mean`,
      `over units that have any: ${number(q.before)} for hidden units, ${number(q.after("trained"))} for latents,`,
      `${q.change("trained")}; the study reports ${percent(content.published_reduction, 0)} fewer.`,
      "Units that follow no input, or never speak, drop out of that mean, so silence alone can lower it.",
    ],
  },
  {
    title: "What an untrained SAE gives",
    patch: () => ({ ...FEATURES, sae: "untrained" }),
    text: (q) => [
      "This SAE has learnt nothing: its weights are as they were drawn.",
      `Counted in the same way its latents have ${number(q.after("untrained"))} sensitive inputs,`,
      `${q.change("untrained")} than hidden units; only what training adds to that`,
      `(${q.change("trained")} with training) says something about features.`,
    ],
  },
  {
    title: "What another seed gives",
    patch: () => ({ ...FEATURES, seed: 1 }),
    text: (q) => [
      "The same data and recipe, started from other random numbers:",
      `now ${number(q.after("trained"))} sensitive inputs for each latent, ${q.change("trained")}.`,
      "The card's line “Other seeds” says whether the chosen latent is found again; one network's figure is not a result.",
    ],
  },
  {
    title: "What holds up",
    patch: (now) => {
      const latent = neededLatent(now);
      return { ...FEATURES, latent, record: strongest(now, latent), edits: { [latent]: { how: "off", value: 0 } } };
    },
    text: (q, now) => [
      `A feature that the network uses is missed when it is gone: without ${latentName(now.latent)} ${loss(now)}.`,
      "What deserves belief is a latent with a clear threshold, found again with other seeds, and missed like this;",
      "the paper counts how many there are.",
    ],
  },
];

// What happens to the scores without the chosen latent.
function loss(now) {
  const [before, after] = [now.finalScores, now.scoresWith({ [now.latent]: { how: "off", value: 0 } })];
  return now.set.kind === "classification"
    ? `the accuracy goes from ${percent(before.accuracy)} to ${percent(after.accuracy)}`
    : `the squared error goes from ${number(before.mse)} to ${number(after.mse)}`;
}

export function tour(parent, { store, current, content }) {
  const heading = element("h2", { tabindex: "-1" });
  const text = element("p", { class: "sentences" });
  const button = (name, act, more = {}) => element("button", { type: "button", onclick: act, ...more }, name);
  const back = button("Back", () => go(store.get().step - 1));
  const next = button("Next", () => go(store.get().step + 1), { class: "primary" });
  const dots = element(
    "ol",
    { class: "dots" },
    ...STEPS.map((step, k) =>
      element(
        "li",
        {},
        button(String(k + 1), () => go(k + 1), { "aria-label": `Step ${k + 1}: ${step.title}` }),
      ),
    ),
  );
  parent.append(
    element("div", { class: "words" }, heading, text),
    element(
      "div",
      { class: "steps" },
      dots,
      element(
        "span",
        { class: "buttons" },
        back,
        next,
        button("Close", () => store.set({ step: 0, edits: {} })),
      ),
    ),
  );
  parent.addEventListener("keydown", (event) => {
    if (event.key === "Escape") store.set({ step: 0, edits: {} });
  });
  const first = content.sets[0];

  // Every step starts from the first task's own network, so that it looks the same for everybody.
  function go(step) {
    if (step < 1 || step > STEPS.length) return store.set({ step: 0, edits: {} });
    const start = {
      task: first.id,
      hidden: first.own,
      l1: false,
      seed: 0,
      epoch: null,
      record: null,
      values: null,
      latent: null,
      edits: {},
      output: null,
      sae: "trained",
    };
    const plain = STEPS[step - 1].patch;
    const now = current({
      ...store.get(),
      ...start,
      epoch: first.models[0].first_epoch + first.models[0].weights.shape[0] - 1,
    });
    store.set({ ...start, ...plain(now), step });
    heading.focus({ preventScroll: true });
  }

  return {
    go,
    steps: STEPS.length,
    update(now, state) {
      document.body.classList.toggle("touring", state.step > 0);
      parent.hidden = state.step === 0 || !now.sae || !now.hasRecords;
      if (parent.hidden) return;
      const step = STEPS[Math.min(state.step, STEPS.length) - 1];
      heading.textContent = `${state.step}. ${step.title}`;
      text.textContent = step.text(quoted(now, content.threshold), now, content).join(" ");
      document.body.style.setProperty("--tour", `${parent.offsetHeight}px`);
      back.disabled = state.step === 1;
      next.textContent = state.step === STEPS.length ? "Done" : "Next";
      dots
        .querySelectorAll("button")
        .forEach((dot, k) =>
          k + 1 === state.step ? dot.setAttribute("aria-current", "step") : dot.removeAttribute("aria-current"),
        );
    },
  };
}
