// Puts the page together: one state, the views that show it, and what is around them.

import { element, measure } from "./chart.js";
import { readContent } from "./content.js";
import { createCurrent } from "./current.js";
import * as maths from "./model.js";
import { picker } from "./picker.js";
import { createClock } from "./player.js";
import { createStore, fromAddress, VIEWS } from "./state.js";
import * as statistics from "./statistics.js";
import { tour } from "./tour.js";
import { featuresView } from "./view_features.js";
import { modelsView } from "./view_models.js";
import { testingView } from "./view_testing.js";
import { trainingView } from "./view_training.js";

const TITLES = { training: "Training", testing: "Testing", features: "Features", models: "Own models" };
const PANELS = { training: trainingView, testing: testingView, features: featuresView, models: modelsView };

const content = readContent(document);
const current = createCurrent(content);
const store = createStore(content);
const clock = createClock(store, () => current(store.get()).lastEpoch);
const byId = (id) => document.getElementById(id);

const source = byId("source");
if (content.source.simulated) {
  source.append(
    element(
      "p",
      { class: "simulated" },
      element("strong", {}, "Simulated observations: no number on this page is a measurement. "),
      content.source.sentence,
    ),
  );
} else source.append(element("p", {}, content.source.sentence));

const tabs = VIEWS.map((view) =>
  element(
    "button",
    {
      type: "button",
      role: "tab",
      id: `tab-${view}`,
      "aria-controls": `view-${view}`,
      onclick: () => store.set({ view }),
    },
    TITLES[view],
  ),
);
byId("tabs").append(...tabs);
byId("tabs").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const view = VIEWS[(VIEWS.indexOf(store.get().view) + by + VIEWS.length) % VIEWS.length];
  store.set({ view });
  byId(`tab-${view}`).focus();
});

const chosen = picker(byId("picker"), { store, content, current });
const guide = tour(byId("tour"), { store, current, content });
const tools = { store, clock, current, content, announce: () => {} };
const views = Object.fromEntries(VIEWS.map((view) => [view, PANELS[view](byId(`view-${view}`), tools)]));

let spokenOf = "";
let measured = null; // the view whose charts know their widths
function render(state) {
  const now = current(state);
  if (clock.isRunning() && state.view !== "training" && state.view !== "testing") clock.stop();
  VIEWS.forEach((view, k) => {
    byId(`view-${view}`).hidden = view !== state.view;
    tabs[k].setAttribute("aria-selected", String(view === state.view));
    tabs[k].tabIndex = view === state.view ? 0 : -1;
  });
  chosen.update(now, state);
  guide.update(now, state);
  if (measured !== state.view) measure(byId(`view-${state.view}`));
  measured = state.view;
  views[state.view].update(now, state);
  if (spokenOf !== now.id) {
    spokenOf = now.id;
    byId("spoken").textContent =
      `${now.set.title}, ${now.model.hidden} hidden units, ${now.model.l1 > 0 ? "with" : "without"} penalty.`;
  }
}
store.listen(render);

byId("tour-start").addEventListener("click", () => guide.go(1));
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

// The theme is the system's until the button is used.
const dark = matchMedia("(prefers-color-scheme: dark)");
let picked = null;
function theme() {
  const now = picked ?? (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = now;
  byId("theme").textContent = now === "dark" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-pressed", String(now === "dark"));
  render(store.get());
}
byId("theme").addEventListener("click", () => {
  picked = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  theme();
});
dark.addEventListener("change", theme);
// Charts are drawn for the width that they have: again when it changes, and for paper, where everything is light.
function redraw() {
  measured = null;
  render(store.get());
}
const widths = new Map();
const observer = new ResizeObserver((changes) => {
  const shown = changes.filter(({ target }) => target.clientWidth && target.clientWidth !== widths.get(target));
  for (const { target } of shown) widths.set(target, target.clientWidth);
  if (shown.length) redraw();
});
for (const column of document.querySelectorAll(".wide, .side")) observer.observe(column);
addEventListener("beforeprint", redraw);
addEventListener("afterprint", redraw);

theme();

// A link to a step alone means the whole state that the step begins with.
function follow() {
  const state = fromAddress(location.hash);
  if (/^#step=\d+$/.test(location.hash)) guide.go(state.step);
  else store.set(state);
}
addEventListener("hashchange", follow);
follow();

// For tests and for whoever opens the console.
window.inspector = {
  ready: performance.now(),
  maths,
  statistics,
  content,
  store,
  current,
  clock,
  open: views.models.open,
  render: redraw,
};
