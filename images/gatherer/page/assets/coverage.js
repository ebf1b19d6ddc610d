// What became of the requests of the last minute, second by second.
import { svg, whole } from "./dom.js";

export const kinds = { complete: "complete", partial: "partial", insufficient: "too few shards", failed: "failed", refused: "refused" };

const height = 64, steps = 60;

// nice rounds a maximum up to 1, 2 or 5 times a power of ten.
export function nice(max) {
  if (max <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 5, 10].map((f) => f * power).find((n) => n >= max);
}

// chart of so many px.
export function chart(coverage, width) {
  const all = coverage.seconds.slice(-steps);
  const sum = (s) => Object.keys(kinds).reduce((n, k) => n + s[k], 0);
  const top = nice(Math.max(0, ...all.map(sum)));
  const step = (width - 40) / steps;
  const said = Object.entries(kinds).map(([k, text]) => `${whole(coverage[k])} ${text}`).join(", ");
  return svg("svg", { width, height: height + 16, viewBox: `0 0 ${width} ${height + 16}`, role: "img", "aria-label": `Answers of the last minute: ${said}` },
    svg("line", { class: "grid", x1: 40, x2: width, y1: 4, y2: 4 }), svg("line", { class: "grid", x1: 40, x2: width, y1: height, y2: height }),
    svg("text", { x: 34, y: 10, "text-anchor": "end" }, whole(top)), svg("text", { x: 34, y: height, "text-anchor": "end" }, "0"),
    all.map((s, i) => {
      let y = height;
      return Object.keys(kinds).map((k) => {
        const h = ((height - 4) * s[k]) / top;
        if (h === 0) return null;
        y -= h;
        return svg("rect", { class: k, x: 40 + (steps - all.length + i) * step, width: Math.max(1, step - 1.5), y, height: Math.max(h, 1.5) });
      });
    }),
    svg("text", { x: 40, y: height + 14 }, "a minute ago"), svg("text", { x: width, y: height + 14, "text-anchor": "end" }, "now, answers per second"));
}
