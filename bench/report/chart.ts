/** One picture of some rows: a bar for each contender, in a log scale, since the field spreads over three powers of ten. */
import { BarChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Line } from "../harness.ts";

use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const COLOURS = ["#2563eb", "#0d9488", "#d97706"];
const FONT = "system-ui, sans-serif";

/** An SVG. @param lines of one unit. */
export function chartOf(title: string, lines: readonly Line[]): string {
  const names = ["OmniQ", "floor", ...new Set(lines.flatMap(({ measured }) => Object.keys(measured.peers)))];
  const valueOf = ({ measured }: Line, name: string): number | undefined =>
    name === "OmniQ" ? measured.omniq : name === "floor" ? measured.floor : measured.peers[name]?.value;
  const short = (what: string): string => what.replace(/^PostgreSQL: /, "").replace(/^(enqueue|drain|enqueue to handler), /, "");
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 820, height: 110 + names.length * (10 + 16 * lines.length) });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    color: COLOURS,
    textStyle: { fontFamily: FONT },
    title: { text: title, textStyle: { fontSize: 15 } },
    legend: { top: 28, left: 0, data: lines.map(({ what }) => short(what)) },
    grid: { left: 150, right: 60, top: 60, bottom: 30 },
    xAxis: { type: "log", name: lines[0]?.unit ?? "", nameGap: 8 },
    yAxis: { type: "category", inverse: true, data: names, axisTick: { show: false } },
    series: lines.map((line) => ({
      type: "bar",
      name: short(line.what),
      barGap: "10%",
      label: { show: true, position: "right", fontSize: 10, formatter: ({ value }: { value: unknown }) => worded(value) },
      data: names.map((name) => valueOf(line, name) ?? "-"),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function worded(value: unknown): string {
  if (typeof value !== "number") return "";
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(2);
}
