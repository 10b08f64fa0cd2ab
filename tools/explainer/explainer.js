// The page is complete without this script, which adds the walk-through, scenarios and the theme.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const walks = [...document.querySelectorAll(".walkthrough")];
  const choices = [...document.querySelectorAll(".switch input")];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const [play, before, next, told] = ["play", "before", "next", "told"].map(byId);
  const PAUSE = 4000; // milliseconds: long enough to read what a step does
  let walk = walks[0];
  let at = 0;
  let timer = 0;

  const partsOf = (one) => [...one.querySelectorAll(".part")];
  const nodesOf = (one) => [...one.querySelectorAll(".node")].sort((a, b) => a.dataset.step - b.dataset.step);

  function show(place) {
    at = place;
    const parts = partsOf(walk);
    walks.forEach((one) => { one.hidden = one !== walk; });
    choices.forEach((one) => { one.checked = one.value === walk.dataset.scenario; });
    parts.forEach((part, i) => part.classList.toggle("current", i === at));
    nodesOf(walk).forEach((node, i) => {
      node.tabIndex = i === at ? 0 : -1; // one stop for Tab: arrows go through the nodes
      if (i === at) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    });
    before.disabled = at === 0;
    next.disabled = at === parts.length - 1;
    told.textContent = `Step ${at + 1} of ${parts.length}: ${parts[at].querySelector("h3").textContent}`;
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = still.matches ? "Step by step" : "Play";
  }

  function start() {
    const last = partsOf(walk).length - 1;
    if (still.matches) { // nothing moves by itself: each press goes one step on
      show(at === last ? 0 : at + 1);
      return;
    }
    show(at === last ? 0 : at);
    play.textContent = "Pause";
    timer = setInterval(() => (at === last ? stop() : show(at + 1)), PAUSE);
  }

  function open(place) {
    stop();
    show(place);
    const part = partsOf(walk)[place];
    part.focus({ preventScroll: true });
    part.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
  }

  function onKey(event, place) {
    const nodes = nodesOf(walk);
    const to = {
      ArrowDown: place + 1, ArrowRight: place + 1, ArrowUp: place - 1, ArrowLeft: place - 1,
      Home: 0, End: nodes.length - 1,
    }[event.key];
    if (event.key === " ") open(place);
    else if (to === undefined) return;
    else if (nodes[to]) {
      stop();
      show(to);
      nodes[to].focus();
    }
    event.preventDefault();
  }

  function fromAddress() { // `#salary-step-3`; a link within the page leads to a step too
    const part = byId(decodeURIComponent(location.hash.slice(1)));
    if (!part?.classList.contains("part")) return;
    walk = part.closest(".walkthrough");
    open(part.dataset.step - 1);
  }

  if (walks.length) {
    root.classList.add("js");
    document.querySelector(".walk").hidden = false;
    document.querySelector(".switch").hidden = walks.length === 1;
    walks.forEach((one) => {
      nodesOf(one).forEach((node, i) => {
        node.addEventListener("click", (event) => { event.preventDefault(); open(i); });
        node.addEventListener("keydown", (event) => onKey(event, i));
      });
      partsOf(one).forEach((part, i) => part.addEventListener("keydown", (event) => {
        if (event.key === "Escape") nodesOf(one)[i].focus(); // back to the graph
      }));
    });
    choices.forEach((one, i) => one.addEventListener("change", () => {
      stop();
      walk = walks[i];
      show(at);
    }));
    play.addEventListener("click", () => (timer ? stop() : start()));
    before.addEventListener("click", () => { stop(); show(at - 1); });
    next.addEventListener("click", () => { stop(); show(at + 1); });
    show(0);
    stop();
    addEventListener("hashchange", fromAddress);
    fromAddress();
  }

  const theme = byId("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  label();
  dark.addEventListener("change", label);
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });

  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
