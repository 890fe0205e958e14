// <tw-chart>: draws the table inside it with uPlot. First column times, the others numbers: the
// first of them as bars, the rest as lines. Without scripts the table is all there is, and enough.
// It watches its table, so whoever changes the numbers need not know of the chart.

import { showTimes } from "./times.js";

const HEIGHT_OF_BARS = 0.62;

/** @param {string} name */
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class TrackwayChart extends HTMLElement {
  connectedCallback() {
    this.plotBox = this.querySelector("[data-plot]");
    const table = this.querySelector("table");
    if (!this.plotBox || !table || !window.uPlot) return;
    this.dataset.drawn = "";
    this.draw();
    this.tableWatch = new MutationObserver(() => this.update());
    this.tableWatch.observe(this, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["datetime"] });
    this.sizeWatch = new ResizeObserver(() => this.fit());
    this.sizeWatch.observe(this.plotBox);
    this.themeWatch = new MutationObserver(() => this.draw());
    this.themeWatch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.systemTheme = matchMedia("(prefers-color-scheme: dark)");
    this.onSystemTheme = () => this.draw();
    this.systemTheme.addEventListener("change", this.onSystemTheme);
    this.plotBox.addEventListener("keydown", (event) => this.step(event));
    this.plotBox.addEventListener("blur", () => this.plot?.setCursor({ left: -10, top: -10 }));
  }

  disconnectedCallback() {
    this.tableWatch?.disconnect();
    this.sizeWatch?.disconnect();
    this.themeWatch?.disconnect();
    this.systemTheme?.removeEventListener("change", this.onSystemTheme);
    this.plot?.destroy();
    this.plot = null;
  }

  /** @returns {number[][]} columns of the table: seconds since 1970, then the numbers */
  readColumns() {
    const rows = [...this.querySelectorAll("tbody tr")];
    const columns = [rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000)];
    for (let at = 1; at < this.names().length; at++) {
      columns.push(rows.map((row) => Number(row.cells[at].textContent)));
    }
    return columns;
  }

  /** Seconds from one row to the next; a bar stands to the right of its time. */
  spacing() {
    const [first, second] = this.columns[0];
    return second - first || 60;
  }

  names() {
    return [...this.querySelectorAll("thead th")].map((cell) => cell.textContent);
  }

  draw() {
    this.plot?.destroy();
    this.columns = this.readColumns();
    this.plot = new uPlot(this.describe(), this.columns, this.plotBox);
  }

  update() {
    const columns = this.readColumns();
    if (JSON.stringify(columns) === JSON.stringify(this.columns)) return;
    this.columns = columns;
    this.plot.setData(columns);
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.plotBox;
    if (width && height && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }

  describe() {
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: color("--ink-dim"), font, ticks: { show: false } };
    const grid = { stroke: color("--line"), width: 1 };
    const looks = [
      { fill: color("--accent"), width: 0, paths: uPlot.paths.bars({ size: [HEIGHT_OF_BARS, 14], radius: 0.25, align: 1 }) },
      { stroke: color("--sand"), width: 2, paths: uPlot.paths.stepped({ align: 1 }) },
    ];
    return {
      width: this.plotBox.clientWidth || 600,
      height: this.plotBox.clientHeight || 180,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      padding: [8, 6, 0, 0],
      scales: { x: { range: (plot, first, last) => [first, last + this.spacing()] }, y: { range: (plot, least, most) => [0, Math.max(4, Math.ceil(most * 1.08))] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 70, values: (plot, moments) => moments.map(sayMinute) },
        { ...axis, grid, size: 44, space: 32, values: (plot, numbers) => numbers.map((n) => (Number.isInteger(n) ? n.toLocaleString("en") : "")) },
      ],
      series: [{}, ...this.names().slice(1).map((label, at) => ({ label, points: { show: false }, ...looks[Math.min(at, 1)] }))],
      hooks: { setCursor: [(plot) => this.read(plot.cursor.idx)] },
    };
  }

  /** Arrow keys read one minute after the other. */
  step(event) {
    const last = this.columns[0].length - 1;
    const at = this.plot.cursor.idx ?? last + 1;
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, next));
    this.plot.setCursor({ left: this.plot.valToPos(this.columns[0][index], "x") + 1, top: 10 });
  }

  /** @param {number | null | undefined} index which row is under the cursor */
  read(index) {
    const readout = this.closest("section")?.querySelector("[data-chart-readout]");
    if (!readout) return;
    if (index == null) return void (readout.textContent = "");
    const numbers = this.names().slice(1).map((name, at) => `${this.columns[at + 1][index].toLocaleString("en")} ${name.toLowerCase()}`);
    readout.textContent = `${sayMinute(this.columns[0][index])}: ${numbers.join(", ")}`;
  }
}

/** @param {number} seconds since 1970 */
function sayMinute(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

showTimes(document);
customElements.define("tw-chart", TrackwayChart);
