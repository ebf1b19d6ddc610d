// Lines over time, one for each stage.
import { svg, number } from "./dom.js";

const width = 600, height = 150, margin = { left: 44, right: 8, top: 8, bottom: 20 };

// nice rounds a maximum up to 1, 2 or 5 times a power of ten.
export function nice(max) {
  if (max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 5, 10].map((f) => f * power).find((n) => n >= max);
}

// style of the n-th line: a colour, and a dash pattern once the colours repeat.
export const style = (n) => `s${n % 6} d${Math.floor(n / 6) % 3}`;

// chart of series [{ name, values }], whose last value is now and whose steps are so many seconds long.
export function chart(series, stepSeconds, label) {
  const steps = Math.max(2, ...series.map((s) => s.values.length));
  const top = nice(Math.max(0, ...series.flatMap((s) => s.values)));
  const x = (i) => margin.left + ((width - margin.left - margin.right) * i) / (steps - 1);
  const y = (v) => height - margin.bottom - ((height - margin.top - margin.bottom) * v) / top;
  const minutes = Math.round(((steps - 1) * stepSeconds) / 60);
  const now = series.map((s) => `${s.name} ${number(Math.round((s.values.at(-1) ?? 0) * 10) / 10)}`).join(", ");
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${label}, now: ${now || "nothing"}` },
    [0, top / 2, top].map((v) => [
      svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(v), y2: y(v) }),
      svg("text", { x: margin.left - 6, y: y(v) + 4, "text-anchor": "end" }, number(v)),
    ]),
    svg("text", { x: margin.left, y: height - 4 }, `${minutes} min ago`),
    svg("text", { x: width - margin.right, y: height - 4, "text-anchor": "end" }, "now"),
    series.map((s, n) => svg("path", { class: style(n), d: s.values.map((v, i) => `${i ? "L" : "M"}${x(steps - s.values.length + i).toFixed(1)} ${y(v).toFixed(1)}`).join("") })),
  );
}
