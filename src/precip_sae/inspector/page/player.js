// Play, pause, step, scrub and restart through the epochs. One clock for all of them.

import { element } from "./chart.js";

const EPOCHS_A_SECOND = 10;

// Drawn, since not every font has them.
const SHAPES = {
  restart: "M3 3h2v10H3zM13 3v10L6 8z",
  back: "M11 3v10L4 8z",
  play: "M4 2v12l10-6z",
  pause: "M4 2h3v12H4zM9 2h3v12H9z",
  on: "M5 3v10l7-5z",
};

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  svg.firstChild.setAttribute("d", path);
  return svg;
}

// The clock: `toggle` starts and stops it. frames: {between, work} of each frame while it runs, in milliseconds.
export function createClock(store, lastEpoch) {
  const listeners = [];
  const frames = [];
  let running = 0;
  let before = 0;
  let owed = 0;
  const tell = () => listeners.forEach((listener) => listener(running !== 0));
  const stop = () => {
    if (!running) return;
    cancelAnimationFrame(running);
    running = 0;
    tell();
  };
  const frame = (now) => {
    const between = now - before;
    before = now;
    owed += Math.min(between, 250) * (EPOCHS_A_SECOND / 1000);
    const start = performance.now();
    const steps = Math.floor(owed);
    owed -= steps;
    const epoch = Math.min(store.get().epoch + steps, lastEpoch());
    if (steps) store.set({ epoch });
    frames.push({ between, work: performance.now() - start, drew: steps > 0 });
    if (frames.length > 600) frames.shift();
    if (epoch >= lastEpoch()) stop();
    else running = requestAnimationFrame(frame);
  };
  const clock = {
    frames,
    stop,
    isRunning: () => running !== 0,
    listen: (listener) => listeners.push(listener),
    toggle(firstEpoch) {
      if (running) return stop();
      if (store.get().epoch >= lastEpoch()) store.set({ epoch: firstEpoch() });
      before = performance.now();
      owed = 0;
      running = requestAnimationFrame(frame);
      tell();
    },
  };
  return clock;
}

// The row of buttons and the slider. Returns {update(now, state)}.
export function player(parent, { store, clock, current }) {
  const first = () => current(store.get()).model.first_epoch;
  const go = (epoch) => {
    clock.stop();
    store.set({ epoch });
  };
  const button = (name, shape, act) =>
    element("button", { type: "button", "aria-label": name, title: name, onclick: act }, icon(shape));
  const play = button("Play", SHAPES.play, () => clock.toggle(first));
  const slider = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 1,
    "aria-label": "Epoch",
    oninput: (event) => go(Number(event.target.value)),
  });
  const said = element("output", { class: "epoch" });
  const bar = element(
    "div",
    { class: "player", role: "group", "aria-label": "Epochs" },
    button("Restart", SHAPES.restart, () => go(first())),
    button("Step back", SHAPES.back, () => go(Math.max(first(), store.get().epoch - 1))),
    play,
    button("Step on", SHAPES.on, () => go(store.get().epoch + 1)),
    slider,
    said,
  );
  parent.append(bar);
  clock.listen((running) => {
    play.replaceChildren(icon(running ? SHAPES.pause : SHAPES.play));
    play.setAttribute("aria-label", running ? "Pause" : "Play");
    play.title = running ? "Pause" : "Play";
  });
  return {
    update(now, state) {
      slider.min = now.model.first_epoch;
      slider.max = now.lastEpoch;
      slider.value = state.epoch;
      said.textContent =
        state.epoch === 0 ? `before training (of ${now.lastEpoch} epochs)` : `epoch ${state.epoch} of ${now.lastEpoch}`;
      slider.setAttribute("aria-valuetext", said.textContent);
    },
  };
}
