"use strict";
(() => {
  const { add, byId, colour, draw, fill, forget, read } = babelscope;
  if (!byId("alignment-controls")) return;
  const all = read("alignment");

  const COLOURS = ["#2f78b7", "#c8590f", "#1b8f72", "#9a5cc0", "#b58a12", "#c9456f", "#2a9db5", "#8a6a4a", "#6f9326", "#6a6adb", "#cf72ab", "#7d8791"];
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star", "hexagon", "pentagon", "circle-open", "square-open"];
  const known = (x) => x !== null && x !== undefined;
  const isolate = (text) => "\u2068" + text.replace(/&/g, "&amp;").replace(/</g, "&lt;") + "\u2069";
  const number = (x) => {
    if (!known(x)) return "no data";
    const size = Math.abs(x);
    return x.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3).replace("-", "−");
  };
  const chosen = (name) => byId("alignment-" + name).value;
  const set = () => all.sets[Number(chosen("set"))];
  const measure = () => {
    const [key, label, [control, words], kind] = all.measures.find((m) => m[0] === chosen("measure"));
    return { key, label, control, words, kind };
  };
  const named = (code) => (set().languages.find((l) => l[0] === code) || [code, code])[1];
  const series = (name, source, target) => (set().curves[name] || {})[`${source}|${target}`];
  const either = (name, one, other) => series(name, one, other) || series(name, other, one);
  const control = (m, one, other) => m.control && (either(m.control, one, other) || series(m.control, "", ""));

  // What is drawn: panels of a language pair, of a language, or a single one.
  const panels = (m) => {
    const codes = set().languages.map((l) => l[0]);
    if (m.kind === "all") return [{ name: m.label, own: series(m.key, "", ""), control: control(m, "", "") }];
    if (m.kind === "language") return codes.map((c) => ({ name: named(c), own: series(m.key, c, ""), control: control(m, c, "") }));
    const pivot = chosen("language");
    return codes.filter((c) => c !== pivot).map((c) => ({
      name: `${named(pivot)} – ${named(c)}`,
      own: m.kind === "directed" ? series(m.key, pivot, c) : either(m.key, pivot, c),
      back: m.kind === "directed" ? series(m.key, c, pivot) : null,
      control: control(m, pivot, c),
    }));
  };

  // The states after the final norm stand apart: no line leads to them.
  const depthName = (depth) => (depth === all.norm ? "norm" : String(depth));
  const between = (depths) => depths.map((_, i) => i).filter((i) => depths[i] !== all.norm);
  const depthAxis = (depths) => {
    const blocks = depths.filter((d) => d !== all.norm);
    const step = Math.ceil(blocks.length / 7);
    const shown = depths.filter((d) => d === all.norm || d % step === 0);
    return { title: "depth", showgrid: false, tickvals: shown, ticktext: shown.map(depthName), range: [depths[0] - 0.2, depths[depths.length - 1] + 0.4] };
  };
  const band = (s, depths, name) => {
    if (!s.low || !s.high) return [];
    const held = between(depths).filter((i) => known(s.low[i]) && known(s.high[i]));
    const back = [...held].reverse();
    return [{
      type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 0, color: "@" + name },
      x: [...held, ...back].map((i) => depths[i]), y: [...held.map((i) => s.high[i]), ...back.map((i) => s.low[i])],
      fill: "toself", fillcolor: "@" + name + "-band",
    }];
  };
  const curve = (s, depths, name, dash, who) => {
    const held = between(depths), value = s.value || depths.map(() => null);
    const few = held.some((i) => !known(value[i]));
    const drawn = [{
      type: "scatter", mode: few ? "lines+markers" : "lines", x: held.map((i) => depths[i]), y: held.map((i) => value[i]), connectgaps: few,
      line: { color: "@" + name, width: 2, dash }, marker: { color: "@" + name, size: 5 }, hovertemplate: `${who}, depth %{x}: %{y:.3~f}<extra></extra>`,
    }];
    const last = depths.indexOf(all.norm);
    if (last < 0 || !known(value[last])) return drawn;
    const ends = s.low && s.high && known(s.low[last]) && known(s.high[last]);
    return [...drawn, {
      type: "scatter", mode: "markers", x: [depths[last]], y: [value[last]], marker: { color: "@" + name, size: 7, symbol: dash === "dot" ? "diamond-open" : "diamond" },
      error_y: { type: "data", symmetric: false, array: [ends ? s.high[last] - value[last] : 0], arrayminus: [ends ? value[last] - s.low[last] : 0], color: "@" + name, thickness: 1.4, width: 0, visible: Boolean(ends) },
      hovertemplate: `${who}, after the final norm: %{y:.3~f}<extra></extra>`,
    }];
  };

  const curves = (m) => {
    const grid = byId("alignment-curves");
    for (const old of grid.querySelectorAll(".plot")) forget(old);
    grid.replaceChildren();
    const depths = set().depths;
    const shown = panels(m).filter((p) => p.own);
    const ends = shown.flatMap((p) => [p.own, p.back, p.control]).filter(Boolean)
      .flatMap((s) => [...(s.value || []), ...(s.low || []), ...(s.high || [])]).filter(known);
    const low = Math.min(0, ...ends), high = Math.max(0.01, ...ends), room = (high - low) * 0.04;
    for (const p of shown) {
      const panel = add(grid, "div");
      panel.className = "panel";
      add(add(panel, "h3"), "bdi", p.name);
      const plot = add(panel, "div");
      plot.className = "plot";
      plot.style.height = "164px";
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `${m.label}, ${p.name}, by depth; the numbers are in the table below the figure.`);
      const data = [];
      for (const [s, name, dash, who] of [[p.control, "muted", "dot", m.words], [p.back, "orange", "solid", "the other way"], [p.own, "blue", "solid", "measured"]]) {
        if (s) data.push(...band(s, depths, name), ...curve(s, depths, name, dash, who));
      }
      draw(plot, { data, layout: {
        margin: { l: 40, r: 8, t: 6, b: 42 }, xaxis: depthAxis(depths),
        yaxis: { range: [low - room, high + room], showgrid: true, nticks: 4 },
      } });
    }
    return shown;
  };

  const span = (s, i) => {
    if (!s || !s.value || !known(s.value[i])) return "no data";
    const ends = s.low && s.high && known(s.low[i]) && known(s.high[i]);
    return number(s.value[i]) + (ends ? ` (${number(s.low[i])} to ${number(s.high[i])})` : "");
  };
  const table = (m, shown) => {
    const into = byId("alignment-table");
    into.caption.textContent = `${m.label} by depth (95 %)`;
    into.tHead.replaceChildren();
    into.tBodies[0].replaceChildren();
    const tested = shown.some((p) => p.own.p_value);
    const heads = ["Of", "Depth", "Measured"];
    if (m.kind === "directed") heads.push("The other way");
    if (m.control) heads.push(`Control: ${m.words}`);
    if (tested) heads.push("p");
    const top = add(into.tHead, "tr");
    for (const head of [...heads, "n"]) add(top, "th", head).scope = "col";
    for (const p of shown) {
      set().depths.forEach((depth, i) => {
        const row = add(into.tBodies[0], "tr");
        const head = add(row, "th");
        head.scope = "row";
        add(head, "bdi", p.name);
        add(row, "td", depthName(depth));
        add(row, "td", span(p.own, i));
        if (m.kind === "directed") add(row, "td", span(p.back, i));
        if (m.control) add(row, "td", span(p.control, i));
        if (tested) add(row, "td", p.own.p_value && known(p.own.p_value[i]) ? p.own.p_value[i].toFixed(4) : "no p-value");
        add(row, "td", p.own.n.toLocaleString("en"));
      });
    }
  };

  const depthAt = () => set().depths[Number(chosen("depth"))];
  const heat = (m) => {
    const codes = set().languages.map((l) => l[0]);
    const pairs = m.kind === "pair" || m.kind === "directed";
    byId("alignment-pairs").hidden = !pairs || codes.length < 3;
    if (byId("alignment-pairs").hidden) return;
    const at = Number(chosen("depth"));
    const value = (a, b) => {
      const s = m.kind === "directed" ? series(m.key, a, b) : either(m.key, a, b);
      return a === b || !s || !s.value ? null : s.value[at];
    };
    const z = codes.map((a) => codes.map((b) => value(a, b)));
    const everywhere = Object.values(set().curves[m.key] || {}).flatMap((s) => s.value || []).filter(known);
    const ways = m.kind === "directed" ? ", from the row’s language to the column’s" : "";
    byId("alignment-heat-title").textContent = `${m.label[0].toUpperCase()}${m.label.slice(1)} ${depthAt() === all.norm ? "after the final norm" : `at depth ${depthAt()}`}${ways}`;
    const names = codes.map((c) => isolate(named(c)));
    const side = 6.6 * Math.max(...codes.map((c) => named(c).length));
    const places = codes.map((_, i) => i);
    const plot = byId("alignment-heat");
    const height = 40 + side + 26 * codes.length;
    plot.style.height = height + "px";
    draw(plot, {
      data: [{
        type: "heatmap", x: places, y: places, z, zmin: Math.min(0, ...everywhere), zmax: Math.max(0.01, ...everywhere), xgap: 1, ygap: 1,
        colorscale: [[0, colour("paper")], [1, colour("blue")]],
        colorbar: { thickness: 10, outlinewidth: 0, len: 1, tickfont: { size: 11, color: "@muted" } },
        customdata: codes.map((a) => codes.map((b) => `${isolate(named(a))}, ${isolate(named(b))}`)),
        hovertemplate: "%{customdata}: %{z:.3~f}<extra></extra>",
      }],
      layout: {
        height, plot_bgcolor: "@nodata", margin: { l: 20 + side, r: 8, t: 6, b: 26 + side },
        xaxis: { tickvals: places, ticktext: names, showgrid: false, tickangle: -90 },
        yaxis: { tickvals: places, ticktext: names, autorange: "reversed" },
      },
    });
  };

  const dendrogram = () => {
    const tree = set().trees[Number(chosen("depth"))];
    byId("alignment-tree-body").hidden = !tree;
    if (!tree) return;
    const names = tree.order.map((i) => set().languages[i][1]);
    const plot = byId("alignment-tree");
    plot.style.height = 60 + 24 * names.length + "px";
    const x = tree.heights.flatMap((h) => [...h, null]), y = tree.places.flatMap((p) => [...p, null]);
    draw(plot, {
      data: [{ type: "scatter", mode: "lines", x, y, line: { color: "@blue", width: 2 }, hovertemplate: "1 − cosine %{x:.4f}<extra></extra>" }],
      layout: {
        margin: { l: 20 + 6.6 * Math.max(...names.map((n) => n.length)), r: 12, t: 6, b: 44 },
        xaxis: { title: "1 − cosine at which groups join", range: [0, 1.03 * Math.max(1e-6, ...tree.heights.flat())] },
        yaxis: { tickvals: names.map((_, i) => i), ticktext: names.map(isolate), range: [names.length - 0.5, -0.5] },
      },
    });
  };

  const plane = () => {
    const map = set().map;
    byId("alignment-map-body").hidden = !map;
    byId("alignment-kind").parentElement.hidden = !map;
    if (!map) return;
    // the nearest depth that the page carries a map of
    const at = map.depths.reduce((best, d, i) => (Math.abs(d - depthAt()) < Math.abs(map.depths[best] - depthAt()) ? i : best), 0);
    const [x, y] = map.points[chosen("kind")][at];
    const n = map.items.length;
    const of = (values, l) => values.slice(l * n, (l + 1) * n);
    const joined = (values) => map.items.flatMap((_, i) => [...map.languages.map((_, l) => values[l * n + i]), null]);
    const dots = map.languages.map((code, l) => ({
      type: "scatter", mode: "markers", x: of(x, l), y: of(y, l), name: isolate(named(code)),
      marker: { color: COLOURS[l], symbol: SYMBOLS[l], size: 7, line: { width: 1, color: COLOURS[l] } },
      hovertext: map.texts.map((t) => `${isolate(named(code))}<br>${isolate(t.length > 70 ? t.slice(0, 69) + "…" : t)}`), hoverinfo: "text",
    }));
    draw(byId("alignment-map"), {
      data: [{ type: "scatter", mode: "lines", x: joined(x), y: joined(y), hoverinfo: "skip", opacity: 0.35, line: { color: "@muted", width: 0.7 } }, ...dots],
      layout: { margin: { l: 8, r: 8, t: 6, b: 8 }, xaxis: { showticklabels: false }, yaxis: { showticklabels: false, showgrid: true } },
    });
    const legend = byId("alignment-colours");
    legend.replaceChildren();
    map.languages.forEach((code, l) => {
      const item = add(legend, "li");
      const swatch = add(item, "span");
      swatch.className = "swatch";
      swatch.style.background = COLOURS[l];
      add(item, "bdi", ` ${named(code)}`);
    });
    const [first, second] = map.explained[at];
    const axes = chosen("kind") === "pca"
      ? ` PCA’s axes hold ${number(100 * first)} % and ${number(100 * second)} % of the variance of these points.`
      : " In t-SNE distances between groups mean nothing.";
    byId("alignment-sample").textContent =
      `${map.depths[at] === all.norm ? "After the final norm" : `Depth ${map.depths[at]}`}. ${n} of ${map.all_items.toLocaleString("en")} items, drawn at random, in ${map.languages.length} languages; lines join translations.${axes} Each map is scaled to the same spread.`;
  };

  const look = () => {
    byId("alignment-depth-told").textContent = depthName(depthAt());
    heat(measure());
    dendrogram();
    plane();
  };
  const show = () => {
    const m = measure();
    const pairs = m.kind === "pair" || m.kind === "directed";
    byId("alignment-language").parentElement.hidden = !pairs || set().languages.length < 3;
    byId("alignment-unit").textContent = `${m.label[0].toUpperCase()}${m.label.slice(1)}.`;
    byId("alignment-control").hidden = !m.control;
    byId("alignment-control").lastElementChild.textContent = m.words;
    byId("alignment-back").hidden = m.kind !== "directed";
    byId("alignment-left-out").textContent = set().left_out
      ? ` Left out here for size: ${set().left_out} languages; all are in alignment.parquet.` : "";
    table(m, curves(m));
    look();
  };
  const choose = () => {
    const own = set();
    const before = chosen("language");
    byId("alignment-language").replaceChildren();
    fill(byId("alignment-language"), own.languages, own.languages.some((l) => l[0] === before) ? before : own.languages[0][0]);
    byId("alignment-depth").max = String(own.depths.length - 1);
    byId("alignment-depth").value = String(Math.floor((own.depths.length - 1) / 2));
    show();
  };

  fill(byId("alignment-set"), all.sets.map((s, i) => [String(i), s.name]));
  byId("alignment-set").parentElement.hidden = all.sets.length < 2;
  fill(byId("alignment-measure"), all.measures.map((m) => [m[0], m[1]]));
  byId("alignment-set").addEventListener("change", choose);
  for (const name of ["measure", "language"]) byId("alignment-" + name).addEventListener("change", show);
  byId("alignment-depth").addEventListener("input", look);
  byId("alignment-kind").addEventListener("change", look);
  for (const form of ["alignment-controls", "alignment-depth-controls"]) byId(form).addEventListener("submit", (event) => event.preventDefault());
  choose();
})();
