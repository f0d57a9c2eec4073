// Plotly, loaded when the first chart is drawn, in the colours of the page.

import { el } from "./dom.js";

const FILE = "dashboard/plotly.min.js";
const CONFIG = { displaylogo: false, displayModeBar: false, responsive: true };

let loading = null;
const painters = new WeakMap();

// Plotly writes styles for maps, which no chart here is, unless something has this id already.
const MAP_STYLES = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = el("script", { src: FILE, load: () => resolve(globalThis.Plotly), error: () => {
      loading = null;
      reject(new Error("The charts could not be loaded."));
    } });
    document.head.append(el("template", { id: MAP_STYLES }), script);
  });
  return loading;
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Draw a chart and draw it again when the colours change; what it shows is also told by `summary`.
export async function draw(place, summary, figure, signal) {
  const library = await plotly();
  if (signal.aborted) return;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", summary);
  const isNew = !painters.has(place);
  if (isNew) place.replaceChildren();
  painters.set(place, () => {
    const { data, layout } = figure();
    return library.react(place, data, {
      margin: { l: 50, r: 16, t: 16, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: colour("ink") },
      colorway: [colour("accent"), colour("high"), colour("good"), colour("medium"), colour("critical")],
      ...layout,
    }, CONFIG);
  });
  if (isNew) {
    const again = () => painters.get(place)();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again, { signal });
    signal.addEventListener("abort", () => library.purge(place));
  }
  await painters.get(place)();
}

// Numbers are written out, or as 1e-9 where they are very small or large: raised exponents need inline
// styles, which the page's policy refuses, and letters for powers of ten are not read by everybody alike.
const NUMBERS = { exponentformat: "e", minexponent: 7, separatethousands: true };

export function axis(title, extra = {}) {
  return { title: { text: title }, gridcolor: colour("line"), zerolinecolor: colour("line"), automargin: true, ...NUMBERS, ...extra };
}
