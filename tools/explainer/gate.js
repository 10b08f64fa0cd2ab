// Try the gate: moves the point, counts again, and shows whether the gate passes.
(() => {
  const root = document.querySelector(".trial");
  if (!root) return;
  const { gate, limits, points, used, plot } = JSON.parse(root.dataset.trial);
  const [left, right, bottom, top] = plot;
  const slider = document.getElementById("trial-threshold");
  const inputs = [...root.querySelectorAll(".limit-input")];
  const dot = document.getElementById("trial-point");
  const outcome = root.querySelector(".outcome");
  const compare = { ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b };
  const short = (value, digits) => String(Number(value.toPrecision(digits)));
  const percent = (part, whole) => (whole ? `${(100 * part / whole).toFixed(1)} %` : "–");
  const grouped = (count) => count.toLocaleString("en-US");

  const text = (parent, tag, words, kind) => {
    const made = document.createElement(tag);
    made.textContent = words;
    if (kind) made.className = kind;
    parent.append(made);
    return made;
  };

  const holds = (tree, verdicts) => {
    if (!Array.isArray(tree)) return verdicts[tree];
    const [joined, ...parts] = tree;
    return joined === "and" ? parts.every((part) => holds(part, verdicts)) : parts.some((part) => holds(part, verdicts));
  };

  const written = (tree, numbers, isWithin) => {
    if (!Array.isArray(tree)) return `${limits[tree][0]} ${limits[tree][1]} ${short(numbers[tree], 6)}`;
    const [joined, ...parts] = tree;
    const words = parts.map((part) => written(part, numbers, joined === "and")).join(` ${joined} `);
    return isWithin && joined === "or" ? `(${words})` : words;
  };

  const show = () => {
    const [threshold, found, alarms, missed, passed, values] = points[Number(slider.value)];
    const numbers = inputs.map((input, i) => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : limits[i][2]));
    const verdicts = values.map((value, i) => compare[limits[i][1]](value, numbers[i]));
    const passes = holds(gate, verdicts);
    const said = short(threshold, 3);
    document.getElementById("trial-at").textContent = said;
    slider.setAttribute("aria-valuetext", said);
    dot.setAttribute("cx", left + (right - left) * alarms / (alarms + passed));
    dot.setAttribute("cy", bottom + (top - bottom) * found / (found + missed));
    root.querySelectorAll("[data-count]").forEach((cell) => {
      cell.textContent = grouped(points[Number(slider.value)][Number(cell.dataset.count)]);
    });
    const rates = {
      recall: percent(found, found + missed),
      alarms: percent(alarms, alarms + passed),
      precision: percent(found, found + alarms),
    };
    root.querySelectorAll("[data-rate]").forEach((cell) => { cell.textContent = rates[cell.dataset.rate]; });
    outcome.className = `outcome ${passes ? "good" : "bad"}`;
    outcome.replaceChildren();
    text(text(outcome, "p", ""), "strong", `The gate ${passes ? "passes" : "fails"}`);
    text(outcome, "p", written(gate, numbers, false), "gate-text");
    const list = text(outcome, "ul", "");
    values.forEach((value, i) => {
      const verdict = verdicts[i] ? "passes" : "fails";
      const line = text(list, "li", `${limits[i][0]} ${short(value, 6)} ${limits[i][1]} ${short(numbers[i], 6)}  `);
      text(line, "span", verdict, verdict);
      line.append(` by ${short(Math.abs(value - numbers[i]), 4)}`);
    });
  };

  const reset = () => {
    slider.value = String(used);
    inputs.forEach((input, i) => { input.value = String(limits[i][2]); });
    show();
  };

  root.querySelector(".controls").hidden = false;
  [slider, ...inputs].forEach((one) => one.addEventListener("input", show));
  document.getElementById("trial-reset").addEventListener("click", reset);
  reset(); // a browser may keep what was typed before a reload
})();
