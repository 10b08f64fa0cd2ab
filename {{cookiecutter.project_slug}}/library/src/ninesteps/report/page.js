// The page is complete without this script, which adds the walk-through and the theme.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const parts = [...document.querySelectorAll(".part")];
  const nodes = [...document.querySelectorAll(".node")].sort((a, b) => a.dataset.step - b.dataset.step);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const [play, before, next, told] = ["play", "before", "next", "told"].map(byId);
  let at = -1;
  let timer = 0;

  function show(place, moves) {
    at = place;
    parts.forEach((part, i) => part.classList.toggle("current", i === at));
    nodes.forEach((node, i) => (i === at ? node.setAttribute("aria-current", "step") : node.removeAttribute("aria-current")));
    before.disabled = at === 0;
    next.disabled = at === parts.length - 1;
    told.textContent = `Step ${at + 1} of ${parts.length}: ${parts[at].querySelector("h3").lastChild.textContent.trim()}`;
    if (moves) parts[at].scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play the run";
  }

  function start() {
    if (still.matches) { // nothing moves by itself: each press goes one step on
      show((at + 1) % parts.length, false);
      return;
    }
    show(at === parts.length - 1 ? 0 : at, false);
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (at === parts.length - 1) stop();
      else show(at + 1, false);
    }, 2400);
  }

  if (parts.length) {
    root.classList.add("js");
    document.querySelector(".walk").hidden = false;
    const named = parts.findIndex((part) => `#${part.id}` === location.hash);
    const wrong = nodes.findIndex((node) => node.classList.contains("bad"));
    show(Math.max(named, wrong, 0), false);
    nodes.forEach((node, i) => {
      node.addEventListener("click", (event) => {
        event.preventDefault();
        stop();
        show(i, true);
        parts[i].focus({ preventScroll: true });
      });
      node.addEventListener("keydown", (event) => {
        const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        const other = by && nodes[i + by];
        if (event.key === " ") node.dispatchEvent(new MouseEvent("click", { cancelable: true }));
        if (other) {
          stop();
          other.focus();
          show(i + by, false);
        }
        if (by || event.key === " ") event.preventDefault();
      });
    });
    play.addEventListener("click", () => (timer ? stop() : start()));
    before.addEventListener("click", () => { stop(); show(Math.max(at - 1, 0), false); });
    next.addEventListener("click", () => { stop(); show(Math.min(at + 1, parts.length - 1), false); });
    if (still.matches) play.textContent = "Step by step";
  }

  const open = () => { // unfold the target of an address, for browsers that do not
    const around = byId(location.hash.slice(1))?.closest("details");
    if (around) around.open = true;
  };
  addEventListener("hashchange", open);
  open();

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
