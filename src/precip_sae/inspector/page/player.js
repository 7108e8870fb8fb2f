// Play, pause, step, scrub and restart through the epochs. One clock for all of them.

import { element } from "./chart.js";

const EPOCHS_A_SECOND = 10;

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
  const button = (name, text, act) => element("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
  const play = button("Play", "▶", () => clock.toggle(first));
  const slider = element("input", {
    type: "range", min: 0, max: 1, step: 1, "aria-label": "Epoch", oninput: (event) => go(Number(event.target.value)),
  });
  const said = element("output", { class: "epoch" });
  const bar = element("div", { class: "player", role: "group", "aria-label": "Epochs" },
    button("Restart", "⏮", () => go(first())),
    button("Step back", "◂", () => go(Math.max(first(), store.get().epoch - 1))),
    play,
    button("Step on", "▸", () => go(store.get().epoch + 1)),
    slider, said);
  parent.append(bar);
  clock.listen((running) => {
    play.textContent = running ? "⏸" : "▶";
    play.setAttribute("aria-label", running ? "Pause" : "Play");
    play.title = running ? "Pause" : "Play";
  });
  return {
    update(now, state) {
      slider.min = now.model.first_epoch;
      slider.max = now.lastEpoch;
      slider.value = state.epoch;
      said.textContent = state.epoch === 0 ? `before training (of ${now.lastEpoch} epochs)` : `epoch ${state.epoch} of ${now.lastEpoch}`;
      slider.setAttribute("aria-valuetext", said.textContent);
    },
  };
}
