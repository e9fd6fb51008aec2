"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const figures = read("figures");
  const lens = read("lens");
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Colours come as names ("@blue"), so that one figure serves both themes.
  const themed = (value, key) => {
    if (Array.isArray(value)) return value.map((item) => themed(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, k)]));
    }
    const named = typeof value === "string" && value.startsWith("@") && /color/.test(key);
    return named ? colour(value.slice(1)) : value;
  };

  const axis = (own) => ({
    fixedrange: true, automargin: false, zeroline: false, showgrid: true,
    gridcolor: "@grid", zerolinecolor: "@muted", zerolinewidth: 1, ticks: "outside", ticklen: 5, tickcolor: "rgba(0,0,0,0)",
    ...own,
    title: own.title ? { text: own.title, font: { size: 11, color: "@muted" }, standoff: 6 } : undefined,
  });

  const layout = (own) => themed({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    dragmode: false, hovermode: "closest", barmode: "stack",
    font: { family: colour("sans"), size: 12, color: "@ink" },
    hoverlabel: { bgcolor: "@raised", bordercolor: "@muted", font: { color: "@ink", family: colour("sans") } },
    ...own,
    xaxis: axis(own.xaxis || {}),
    yaxis: axis({ showgrid: false, ...(own.yaxis || {}) }),
  }, "");

  const drawn = new Map();
  const draw = (element, figure) => {
    drawn.set(element, figure);
    Plotly.react(element, themed(figure.data, ""), layout(figure.layout),
      { displayModeBar: false, responsive: true, showTips: false });
  };

  const waiting = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      waiting.unobserve(entry.target);
      draw(entry.target, figures[entry.target.id]);
    }
  }, { rootMargin: "600px" });
  for (const id of Object.keys(figures)) waiting.observe(byId(id));
  const drawAll = () => {
    for (const id of Object.keys(figures)) {
      if (!drawn.has(byId(id))) { waiting.unobserve(byId(id)); draw(byId(id), figures[id]); }
    }
  };
  window.addEventListener("beforeprint", drawAll);
  // what is out of sight is drawn when there is time, one figure at a time
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 50));
  const drawNext = () => {
    const id = Object.keys(figures).find((key) => !drawn.has(byId(key)));
    if (id === undefined) return;
    waiting.unobserve(byId(id));
    draw(byId(id), figures[id]);
    later(drawNext);
  };
  window.addEventListener("load", () => later(drawNext));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [element, figure] of [...drawn]) if (element.isConnected) draw(element, figure);
  });

  const add = (parent, tag, text) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  };
  const fill = (select, pairs, chosen) => {
    for (const [value, text] of pairs) {
      const option = add(select, "option", text);
      option.value = value;
      option.selected = value === chosen;
    }
  };

  // The lens: small multiples over languages, and a heat map of differences.
  const known = (x) => x !== null && x !== undefined;
  const isolate = (text) => "\u2068" + text.replace(/&/g, "&amp;").replace(/</g, "&lt;") + "\u2069";
  const peak = (series) => Math.max(0, ...(series ? series.value : []).filter(known).map(Math.abs));
  const number = (x) => (known(x) ? x.toFixed(1).replace("-", "−") : "no data");
  const span = (s, i) => {
    if (!s || i < 0 || !known(s.value[i])) return "no data";
    const ends = known(s.low[i]) && known(s.high[i]);
    return number(s.value[i]) + (ends ? ` (${number(s.low[i])} to ${number(s.high[i])})` : "");
  };
  const band = (s, name) => ({
    type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 0, color: "@" + name },
    x: [...s.depth, ...[...s.depth].reverse()], y: [...s.high, ...[...s.low].reverse()],
    fill: "toself", fillcolor: "@" + name + "-band",
  });
  const curve = (s, name, dash, who) => ({
    type: "scatter", mode: "lines", x: s.depth, y: s.value, connectgaps: false,
    line: { color: "@" + name, width: 2, dash }, hovertemplate: who + ", depth %{x}: %{y:.1f} %<extra></extra>",
  });

  const curves = (order, base, tuned) => {
    const grid = byId("lens-curves");
    for (const old of grid.querySelectorAll(".plot")) { Plotly.purge(old); drawn.delete(old); }
    grid.replaceChildren();
    const ends = [base, tuned].flatMap((m) => order.flatMap((l) => (m[l] ? m[l].high : []))).filter(known);
    const top = Math.max(1, ...ends, ...order.flatMap((l) => [peak(base[l]), peak(tuned[l])])) * 1.04;
    for (const language of order) {
      const panel = add(grid, "div");
      panel.className = "panel";
      add(add(panel, "h3"), "bdi", lens.languages[language]);
      const plot = add(panel, "div");
      plot.className = "plot";
      plot.style.height = "164px";
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `Mass of ${lens.languages[language]} by depth, base and tuned; the numbers are in the table below the figure.`);
      const data = [];
      for (const [mass, name, dash, who] of [[base, "muted", "dot", "base"], [tuned, "blue", "solid", "tuned"]]) {
        if (mass[language]) data.push(band(mass[language], name), curve(mass[language], name, dash, who));
      }
      draw(plot, { data, layout: {
        margin: { l: 32, r: 8, t: 6, b: 42 }, xaxis: { title: "depth", showgrid: false },
        yaxis: { range: [0, top], showgrid: true, nticks: 4, ticksuffix: "" },
      } });
    }
  };

  const heat = (order, difference) => {
    const rows = order.filter((l) => difference[l]);
    const plot = byId("lens-heat");
    byId("lens-heat-title").hidden = plot.hidden = rows.length === 0;
    if (!rows.length) return;
    const depths = [...new Set(rows.flatMap((l) => difference[l].depth))].sort((a, b) => a - b);
    const at = (l, d, field) => {
      const i = difference[l].depth.indexOf(d);
      return i < 0 ? null : difference[l][field][i];
    };
    const z = rows.map((l) => depths.map((d) => at(l, d, "value")));
    const top = Math.max(0.1, ...z.flat().filter(known).map(Math.abs));
    const sure = rows.flatMap((l, y) => depths.filter((d) => known(at(l, d, "p")) && at(l, d, "p") < 0.05).map((d) => [d, y]));
    const names = rows.map((l) => lens.languages[l]);
    plot.style.height = 68 + 22 * rows.length + "px";
    draw(plot, {
      data: [
        { type: "heatmap", x: depths, y: rows.map((_, i) => i), z, zmin: -top, zmax: top, xgap: 1, ygap: 1,
          colorscale: [[0, colour("orange")], [0.5, colour("paper")], [1, colour("blue")]],
          colorbar: { thickness: 10, outlinewidth: 0, len: 1, tickfont: { size: 11, color: "@muted" } },
          customdata: names.map((n) => depths.map(() => isolate(n))),
          hovertemplate: "%{customdata}, depth %{x}: %{z:+.1f} points<extra></extra>" },
        { type: "scatter", mode: "markers", x: sure.map((s) => s[0]), y: sure.map((s) => s[1]),
          marker: { size: 5, color: "@ink" }, hoverinfo: "skip" },
      ],
      layout: {
        plot_bgcolor: "@nodata", margin: { l: 20 + 6.6 * Math.max(...names.map((n) => n.length)), r: 8, t: 6, b: 44 },
        xaxis: { title: "depth", showgrid: false, dtick: depths.length > 16 ? 5 : 1 },
        yaxis: { tickvals: rows.map((_, i) => i), ticktext: names.map(isolate), autorange: "reversed" },
      },
    });
  };

  const lensTable = (order, base, tuned, difference) => {
    const body = byId("lens-table").tBodies[0];
    body.replaceChildren();
    for (const language of order) {
      const series = [base[language], tuned[language], difference[language]];
      const depths = [...new Set(series.flatMap((s) => (s ? s.depth : [])))].sort((a, b) => a - b);
      for (const depth of depths) {
        const row = add(body, "tr");
        const head = add(row, "th");
        head.scope = "row";
        add(head, "bdi", lens.languages[language]);
        add(row, "td", String(depth));
        const places = series.map((s) => (s ? s.depth.indexOf(depth) : -1));
        series.forEach((s, i) => add(row, "td", span(s, places[i])));
        const p = series[2] && places[2] >= 0 ? series[2].p[places[2]] : null;
        add(row, "td", known(p) ? (p < 0.001 ? "<0.001" : p.toFixed(3)) : "—");
      }
    }
  };

  // Subsets depend on the tuned model: the base's mass there is the tuned one minus the difference.
  const implied = (tuned, difference) => Object.fromEntries(
    Object.keys(tuned).filter((l) => difference[l]).map((l) => {
      const value = tuned[l].value.map((v, i) => {
        const at = difference[l].depth.indexOf(tuned[l].depth[i]);
        return at < 0 || !known(v) || !known(difference[l].value[at]) ? null : v - difference[l].value[at];
      });
      const none = value.map(() => null);
      return [l, { depth: tuned[l].depth, value, low: none, high: none }];
    }));

  const showLens = () => {
    const [target, variant, view] = ["target", "variant", "view"].map((k) => byId("lens-" + k).value);
    const cell = lens.cells[`${target}|${variant}|${view}`] || {};
    const tuned = cell.mass || {};
    const difference = cell.difference || {};
    const base = lens.bases[variant] || "base";
    const before = (lens.cells[`${target}|${base}|${view}`] || {}).mass || implied(tuned, difference);
    const nothing = !Object.keys(before).length && !Object.keys(tuned).length;
    byId("lens-none").hidden = !nothing;
    byId("lens-body").hidden = byId("lens-details").hidden = nothing;
    if (nothing) return;
    const own = [target, lens.source_languages[lens.sources[variant]]];
    const rest = new Set(["shared", "unknown"]);
    const rank = (l) => peak(difference[l]) * 1000 + Math.max(peak(before[l]), peak(tuned[l]));
    const all = Object.keys(lens.languages).filter((l) => before[l] || tuned[l] || difference[l]);
    const place = (l) => (rest.has(l) ? 9 : own.includes(l) ? own.indexOf(l) : 2);
    all.sort((a, b) => place(a) - place(b) || rank(b) - rank(a));
    const languages = all.filter((l) => !rest.has(l)).slice(0, 8);
    curves([...languages, ...all.filter((l) => rest.has(l))], before, tuned);
    heat(all, difference);
    lensTable(all, before, tuned, difference);
  };

  if (lens.cells) {
    fill(byId("lens-target"), lens.targets, lens.start[0]);
    fill(byId("lens-variant"), lens.variants.length ? lens.variants : [["", "none: base model alone"]], lens.start[1]);
    fill(byId("lens-view"), lens.views);
    byId("lens-controls").addEventListener("change", showLens);
    byId("lens-controls").addEventListener("submit", (event) => event.preventDefault());
    showLens();
  }

  // Examples: three filters and a spoken count.
  const filters = byId("example-controls");
  if (filters) {
    const filter = () => {
      const wanted = ["target", "model", "turn"].map((k) => [k, byId("example-" + k).value]);
      let shown = 0;
      const all = document.querySelectorAll(".example");
      for (const article of all) {
        article.hidden = !wanted.every(([k, v]) => !v || article.dataset[k] === v);
        shown += article.hidden ? 0 : 1;
      }
      byId("example-count").textContent = `${shown} of ${all.length} shown`;
    };
    filters.addEventListener("change", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filter();
  }
})();
