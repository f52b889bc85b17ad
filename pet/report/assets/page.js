// Draws the charts of a report, sorts its tables, and of a page that is served fetches what has changed.
"use strict";
(() => {
  const HEIGHT = 250;
  // steps of axes on which there is nothing between whole numbers
  const WHOLE = [...Array(15).keys()].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const COUNTED = ["count", "iteration"];
  const plots = new Map();
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (place) => style(`--c${place % 10}`);
  const short = (value) => {
    if (value === null || value === undefined) return "-";
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? Number(value.toPrecision(3)).toExponential() : String(Number(value.toPrecision(4)));
  };

  function axes(chart) {
    const look = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
    const values = (plot, splits) => splits.map((value) => (value === null ? "" : short(value)));
    const axis = (label, size) => ({ ...look, label, labelSize: 22, size, values, ...(COUNTED.includes(label) ? { incrs: WHOLE } : {}) });
    // room for what is written at the lines
    const wide = (plot, shown) => Math.max(62, 20 + 7.5 * Math.max(0, ...(shown ?? []).map((value) => value.length)));
    const y = axis(chart.y_label ?? "count", wide);
    if (chart.logarithmic) {
      // lines at powers of ten, and none at the eight values between two of them
      const filter = (plot, splits) => splits.map((value) => (Number.isInteger(Number(Math.log10(value).toFixed(6))) ? value : null));
      y.grid = { ...y.grid, filter };
      y.ticks = { ...y.ticks, filter };
    }
    return [axis(chart.x_label, 34), y];
  }

  function lines(chart) {
    const data = uPlot.join(chart.lines.map((line) => [line.x, line.y]));
    const series = chart.lines.map((line, place) => ({
      label: line.name,
      stroke: colour(place),
      width: 2,
      spanGaps: true,
      dash: place >= 10 ? [6, 4] : undefined,
      paths: chart.points ? () => null : undefined,
      points: { show: chart.points || line.x.length <= 40, size: chart.points ? 5 : 6, fill: colour(place) },
      value: (plot, value) => short(value),
    }));
    return [data, series, chart.logarithmic ? { distr: 3 } : { range: (plot, low, high) => room(low, high, COUNTED.includes(chart.y_label)) }];
  }

  function room(low, high, counted) {
    if (low === null) return [0, 1];
    const spare = (high - low || Math.abs(high) || 1) * 0.06;
    return [low >= 0 && low - spare < 0 ? 0 : low - spare, Math.max(high + spare, counted ? 1.06 : -Infinity)];
  }

  // whole bars at both ends, and room around a single point
  function ends(chart, low, high) {
    if (chart.edges) return [chart.edges[0], chart.edges[chart.edges.length - 1]];
    return low === high ? [low - 1, high + 1] : [low, high];
  }

  function histogram(chart) {
    const edges = chart.edges;
    const names = Object.keys(chart.counts);
    const middles = edges.slice(1).map((edge, place) => (edge + edges[place]) / 2);
    const series = names.map((name, place) => ({
      label: name,
      stroke: colour(place),
      fill: colour(place) + "66",
      width: 1,
      paths: uPlot.paths.bars({ size: [0.95, 60] }),
      points: { show: false },
      value: (plot, value) => short(value),
    }));
    return [[middles, ...names.map((name) => chart.counts[name])], series, { range: (plot, low, high) => [0, (high || 1) * 1.05] }];
  }

  function draw(holder) {
    const width = holder.clientWidth;
    if (!width) return;
    plots.get(holder)?.destroy();
    const chart = JSON.parse(holder.parentElement.querySelector("script").textContent);
    const [data, series, scale] = chart.kind === "lines" ? lines(chart) : histogram(chart);
    const plot = new uPlot({
      width, height: HEIGHT,
      scales: { x: { time: false, range: (own, low, high) => ends(chart, low, high) }, y: scale },
      axes: axes(chart),
      series: [{ label: chart.x_label, value: (own, value) => short(value) }, ...series],
      cursor: { points: { size: 7 } },
      legend: { live: true },
    }, data, holder);
    plots.set(holder, plot);
  }

  // arrows move the cursor over the points of a chart that has the focus, and the legend says the values
  function move(event) {
    const plot = plots.get(event.currentTarget);
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!plot || step === undefined) return;
    event.preventDefault();
    const last = plot.data[0].length - 1;
    const from = plot.cursor.idx ?? (step > 0 ? -1 : last + 1);
    const place = Math.min(Math.max(from + step, 0), last);
    plot.setCursor({ left: plot.valToPos(plot.data[0][place], "x"), top: plot.over.clientHeight / 2 });
  }

  const widths = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const plot = plots.get(target);
    if (!plot) draw(target);
    else if (target.clientWidth && target.clientWidth !== plot.width) plot.setSize({ width: target.clientWidth, height: HEIGHT });
  }));

  function sort(button) {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = head.cellIndex;
    const down = head.getAttribute("aria-sort") !== "descending";
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const rows = [...table.tBodies[0].rows].sort((first, second) => {
      const [one, two] = [key(first), key(second)];
      const numbers = [Number(one), Number(two)];
      const order = one !== "" && two !== "" && numbers.every(Number.isFinite) ? numbers[0] - numbers[1] : one.localeCompare(two);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }

  function prepare(root) {
    root.querySelectorAll(".plot").forEach((holder) => {
      holder.addEventListener("keydown", move);
      widths.observe(holder);
    });
    root.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
  }

  prepare(document);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...plots.keys()].forEach(draw));

  // a page that is served asks for the sections whose text is another one than it has
  async function refresh() {
    const known = [...document.querySelectorAll("main > section")].map((section) => `${section.id}:${section.dataset.version}`);
    const address = new URL(location.href);
    address.pathname = "/changes";
    address.searchParams.set("known", known.join(","));
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(String(answer.status));
    const { order, changed } = await answer.json();
    const main = document.querySelector("main");
    for (const [id, text] of Object.entries(changed)) {
      const made = new DOMParser().parseFromString(text, "text/html").body.firstElementChild;
      const old = document.getElementById(id);
      const open = old ? [...old.querySelectorAll("details")].map((part) => part.open) : [];
      const focus = old?.contains(document.activeElement);
      old?.querySelectorAll(".plot").forEach((holder) => { plots.get(holder)?.destroy(); plots.delete(holder); widths.unobserve(holder); });
      if (old) old.replaceWith(made); else main.append(made);
      made.querySelectorAll("details").forEach((part, place) => { if (place in open) part.open = open[place]; });
      prepare(made);
      if (focus) made.querySelector("h2").focus();
    }
    order.forEach((id) => main.append(document.getElementById(id)));
    document.querySelectorAll("main > section").forEach((section) => { if (!order.includes(section.id)) section.remove(); });
  }
  if (document.body.dataset.live) {
    const state = document.getElementById("connection");
    const again = async () => {
      try { await refresh(); state.textContent = `live, last asked at ${new Date().toLocaleTimeString()}`; }
      catch (error) { state.textContent = `no answer (${error.message}); is pet-view still running?`; }
      setTimeout(again, 2000);
    };
    setTimeout(again, 2000);
  }
})();
