"use strict";
babelscope.unpack("lens").then((lens) => {
  const { add, byId, colour, draw, fill, forget } = babelscope;
  if (!lens.cells) return;

  const MAPPED = ["mass", "attention", "feed_forward", "joint"];
  const known = (x) => x !== null && x !== undefined;
  const isolate = (text) => "\u2068" + text.replace(/&/g, "&amp;").replace(/</g, "&lt;") + "\u2069";
  const peak = (series) => Math.max(0, ...(series ? series.value : []).filter(known).map(Math.abs));
  const number = (x) => (known(x) ? x.toFixed(Math.abs(x) < 1 && x !== 0 ? 2 : 1).replace("-", "−") : "no data");
  const span = (s, i) => {
    if (!s || i < 0 || !known(s.value[i])) return "no data";
    const ends = known(s.low[i]) && known(s.high[i]);
    return number(s.value[i]) + (ends ? ` (${number(s.low[i])} to ${number(s.high[i])})` : "");
  };
  const chosen = (name) => byId("lens-" + name).value;
  const said = (name) => {
    const option = byId("lens-" + name).selectedOptions[0];
    return option ? option.textContent : "";
  };

  // Series come as whole numbers: the place of their depths, values, the distances of low and
  // high from them, and p; an empty list means that none is known.
  const unpack = ([place, value, below, above, p]) => {
    const depth = lens.depths[place];
    const part = (numbers, turn) => depth.map((_, i) => {
      const x = numbers && numbers.length ? numbers[i] : null;
      return known(x) ? turn(x, i) : null;
    });
    return {
      depth,
      value: part(value, (x) => x / 1000),
      low: part(below, (x, i) => (value[i] - x) / 1000),
      high: part(above, (x, i) => (value[i] + x) / 1000),
      p: part(p, (x) => x / 10000),
    };
  };

  // A series is named "measure language": the gold's view holds two measures of each language.
  const named = (key) => {
    const [measure, language] = key.split(" ");
    if (measure === "gold_in") return `gold in ${lens.languages[language]}`;
    if (measure === "own_gold") return `own gold, against ${lens.languages[language]}`;
    return language ? lens.languages[language] : said("drawn");
  };
  const rising = (a, b) => a - b;
  const depthsOf = (all) => [...new Set(all.flatMap((s) => (s ? s.depth : [])))].sort(rising);

  const band = (s, name) => {
    const held = s.depth.map((_, i) => i).filter((i) => known(s.low[i]) && known(s.high[i]));
    const back = [...held].reverse();
    return {
      type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 0, color: "@" + name },
      x: [...held, ...back].map((i) => s.depth[i]),
      y: [...held.map((i) => s.high[i]), ...back.map((i) => s.low[i])],
      fill: "toself", fillcolor: "@" + name + "-band",
    };
  };
  const curve = (s, name, dash, who, unit) => ({
    type: "scatter", mode: "lines", x: s.depth, y: s.value, connectgaps: false,
    line: { color: "@" + name, width: 2, dash },
    hovertemplate: `${who}, depth %{x}: %{y:.1f} ${unit}<extra></extra>`,
  });

  // Panels share an axis as long as it shows them all; those that it would flatten share a second.
  const FLAT = 1 / 3;
  const most = (all) => Math.max(0, ...all.filter(Boolean).flatMap((s) => [...s.high, ...s.value]).filter(known));
  const round = (x) => {
    const unit = 10 ** Math.floor(Math.log10(x));
    return Number(([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * unit >= x * 0.9999) * unit).toPrecision(2));
  };
  const scales = (peaks, unit) => {
    const least = unit === "%" ? 1 : 0.1;
    const large = Math.max(least, ...peaks);
    const small = Math.max(least, ...peaks.filter((x) => x < large * FLAT));
    const differ = round(small) < round(large) && peaks.some((x) => x < large * FLAT);
    return peaks.map((x) => round(differ && x < large * FLAT ? small : large));
  };

  const curves = (groups, base, tuned, unit) => {
    const grid = byId("lens-curves");
    for (const old of grid.querySelectorAll(".plot")) forget(old);
    grid.replaceChildren();
    const tops = scales(groups.map((keys) => most(keys.flatMap((k) => [base[k], tuned[k]]))), unit);
    const differ = new Set(tops).size > 1;
    byId("lens-scales").hidden = !differ;
    byId("lens-scales").textContent = differ ? `Not all panels have the same axis: each title says to where its axis reaches. ` +
      "Panels with the same number can be compared by eye, the others by their numbers." : "";
    for (const [place, keys] of groups.entries()) {
      const top = tops[place];
      const name = keys.length > 1 ? lens.languages[keys[0].split(" ")[1]] : named(keys[0]);
      const panel = add(grid, "div");
      panel.className = "panel";
      const head = add(panel, "h3");
      add(head, "bdi", name);
      if (differ) add(head, "small", ` to\u00a0${top}${unit === "%" ? "\u00a0%" : `\u00a0${unit}`}`);
      const plot = add(panel, "div");
      plot.className = "plot";
      plot.style.height = "164px";
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `${said("drawn")}, ${name}, by depth; the numbers are in the table below the figure.`);
      const data = [];
      for (const key of keys) {
        const own = key.startsWith("own_gold") ? "orange" : "";
        for (const [from, name, dash, who] of [[base, own || "muted", "dot", "base"], [tuned, own || "blue", "solid", "tuned"]]) {
          const whose = keys.length > 1 ? `${who}, ${isolate(named(key))}` : who;
          if (from[key]) data.push(band(from[key], name), curve(from[key], name, dash, whose, unit));
        }
      }
      draw(plot, { data, layout: {
        margin: { l: 32, r: 8, t: 6, b: 42 }, xaxis: { title: "depth", showgrid: false },
        yaxis: { range: [0, top * 1.04], showgrid: true, nticks: 4, ticksuffix: "" },
      } });
    }
  };

  const HEAT_ROWS = 24;
  const heat = (id, order, series, unit = "%") => {
    const all = order.filter((k) => series[k]);
    const size = (k) => Math.max(...series[k].value.filter(known).map(Math.abs), 0);
    const kept = new Set([...all].sort((a, b) => size(b) - size(a)).slice(0, HEAT_ROWS));
    const rows = all.filter((k) => kept.has(k));
    const plot = byId(id);
    const title = byId(id + "-title");
    title.hidden = plot.hidden = rows.length === 0;
    if (!rows.length) return;
    title.dataset.plain ||= title.textContent;
    title.textContent = title.dataset.plain +
      (rows.length < all.length ? ` (the ${rows.length} of ${all.length} that change the most; the table has all)` : "");
    const depths = depthsOf(rows.map((k) => series[k]));
    const at = (k, d, field) => {
      const i = series[k].depth.indexOf(d);
      return i < 0 || !series[k][field] ? null : series[k][field][i];
    };
    const z = rows.map((k) => depths.map((d) => at(k, d, "value")));
    const top = Math.max(0.1, ...z.flat().filter(known).map(Math.abs));
    const sure = rows.flatMap((k, y) => depths.filter((d) => known(at(k, d, "p")) && at(k, d, "p") < 0.05 && Math.abs(at(k, d, "value")) >= lens.negligible[unit]).map((d) => [d, y]));
    const names = rows.map(named);
    const height = 68 + 22 * Math.max(2, rows.length);
    plot.style.height = height + "px";
    draw(plot, {
      data: [
        { type: "heatmap", x: depths, y: rows.map((_, i) => i), z, zmin: -top, zmax: top, xgap: 1, ygap: 1,
          colorscale: [[0, colour("orange")], [0.5, colour("paper")], [1, colour("blue")]],
          colorbar: { thickness: 10, outlinewidth: 0, len: 1, tickfont: { size: 11, color: "@muted" } },
          customdata: names.map((n) => depths.map(() => isolate(n))),
          hovertemplate: "%{customdata}, depth %{x}: %{z:+.2f}<extra></extra>" },
        { type: "scatter", mode: "markers", x: sure.map((s) => s[0]), y: sure.map((s) => s[1]),
          marker: { size: 5, color: "@ink" }, hoverinfo: "skip" },
      ],
      layout: {
        height, plot_bgcolor: "@nodata", margin: { l: 20 + 6.6 * Math.max(...names.map((n) => n.length)), r: 8, t: 6, b: 44 },
        xaxis: { title: "depth", showgrid: false, dtick: depths.length > 16 ? 5 : 1 },
        yaxis: { tickvals: rows.map((_, i) => i), ticktext: names.map(isolate), range: [rows.length - 0.5, -0.5] },
      },
    });
  };

  const lensTable = (order, base, tuned, difference, unit) => {
    const tuning = lens.variants.length > 0;
    const table = byId("lens-table");
    table.caption.textContent = `${said("drawn")} by depth, ${unit === "bits" ? "bits" : "% of probability"}`;
    table.tHead.replaceChildren();
    table.tBodies[0].replaceChildren();
    const heads = ["Reading", "Depth", "Base (95 %)"];
    if (tuning) heads.push("Tuned (95 %)", "Difference (95 %)", "p, corrected");
    const top = add(table.tHead, "tr");
    for (const head of heads) add(top, "th", head).scope = "col";
    for (const key of order) {
      const series = tuning ? [base[key], tuned[key], difference[key]] : [base[key]];
      for (const depth of depthsOf(series)) {
        const row = add(table.tBodies[0], "tr");
        const head = add(row, "th");
        head.scope = "row";
        add(head, "bdi", named(key));
        add(row, "td", String(depth));
        const places = series.map((s) => (s ? s.depth.indexOf(depth) : -1));
        series.forEach((s, i) => add(row, "td", span(s, places[i])));
        if (!tuning) continue;
        const p = series[2] && places[2] >= 0 ? series[2].p[places[2]] : null;
        add(row, "td", known(p) ? (p < 0.001 ? "<0.001" : p.toFixed(3)) : "—");
      }
    }
  };

  // Subsets depend on the tuned model: the base's value there is the tuned one minus the difference.
  const implied = (tuned, difference) => Object.fromEntries(
    Object.keys(tuned).filter((k) => difference[k]).map((k) => {
      const value = tuned[k].value.map((v, i) => {
        const at = difference[k].depth.indexOf(tuned[k].depth[i]);
        return at < 0 || !known(v) || !known(difference[k].value[at]) ? null : v - difference[k].value[at];
      });
      const none = value.map(() => null);
      return [k, { depth: tuned[k].depth, value, low: none, high: none }];
    }));

  const readings = (owner, step, kind) => {
    const measures = chosen("drawn") === "gold" ? ["gold_in", "own_gold"] : [chosen("drawn")];
    const map = MAPPED.includes(chosen("drawn")) ? chosen("map") : "";
    return Object.fromEntries(measures.flatMap((m) => {
      const key = [chosen("target"), owner, step, chosen("position"), chosen("subset"), m, map].join("|");
      return Object.entries((lens.cells[key] || {})[kind] || {}).map(([l, s]) => [`${m} ${l}`, unpack(s)]);
    }));
  };

  const ordered = (base, tuned, difference) => {
    const own = [chosen("target"), lens.source_languages[chosen("variant")]];
    const rank = (k) => peak(difference[k]) * 1000 + Math.max(peak(base[k]), peak(tuned[k]));
    const all = [...new Set([base, tuned, difference].flatMap(Object.keys))];
    const place = (k) => {
      const language = k.split(" ")[1];
      if (["shared", "unknown"].includes(language)) return 9;
      return own.includes(language) ? own.indexOf(language) : 2;
    };
    return all.sort((a, b) => place(a) - place(b) || rank(b) - rank(a));
  };

  const show = () => {
    const drawn = chosen("drawn");
    const mapped = MAPPED.includes(drawn);
    byId("lens-map").parentElement.hidden = !mapped || lens.maps.length < 2;
    const difference = readings(chosen("variant"), stepChosen(), "difference");
    const tuned = readings(chosen("variant"), stepChosen(), "value");
    const found = readings(lens.bases[chosen("variant")] || "base", 0, "value");
    const base = Object.keys(found).length ? found : implied(tuned, difference);
    const after = chosen("variant") ? tuned : {};
    const all = ordered(base, after, difference);
    // a base without the model chosen would pass for an answer about it
    const nothing = chosen("variant") ? !Object.keys(after).length : !all.length;
    byId("lens-none").hidden = !nothing;
    byId("lens-body").hidden = byId("lens-details").hidden = nothing;
    const place = `${said("target")}, ${said("position")}, ${said("subset")}`;
    byId("lens-none").textContent = `The page holds no ${said("drawn")} for ${place}${mapped ? `, by the map ${chosen("map")}` : ""}.`;
    const gold = drawn === "gold";
    byId("lens-gold").hidden = nothing || !gold;
    const equal = lens.equal[chosen("target")];
    byId("lens-gold").textContent = "Orange is the own gold, the other colour the gold in the panel’s language." +
      (equal ? ` Left out, as both golds are equal: ${equal}.` : "");
    if (nothing) return;
    const unit = drawn === "entropy_bits" ? "bits" : "%";
    const title = said("drawn");
    byId("lens-unit").textContent = `${title[0].toUpperCase() + title.slice(1)}, ${unit === "bits" ? "bits" : "% of probability"}`;
    const added = mapped && drawn !== "mass";
    const main = all.filter((k) => !/ (shared|unknown)$/.test(k));
    const few = gold ? main.filter((k) => k.startsWith("gold_in")).slice(0, 8) : main.slice(0, 8);
    const rest = all.filter((k) => !main.includes(k));
    const groups = gold ? few.map((k) => [k, k.replace("gold_in", "own_gold")]) : [...few, ...rest].map((k) => [k]);
    curves(added ? [] : groups, base, after, unit);
    const left = added ? 0 : (gold ? main.filter((k) => k.startsWith("gold_in")) : main).length - few.length;
    byId("lens-left").hidden = !left;
    byId("lens-left").textContent = left ? `Drawn are the ${few.length} languages that ${chosen("variant") ? "changed the most" : "have the most"}, the questions’ and the source’s own among them; the ${left} other${left > 1 ? "s are" : " is"} in the table.` : "";
    byId("lens-lines").hidden = added;
    heat("lens-added", all, added ? (chosen("variant") ? after : base) : {});
    heat("lens-heat", all, difference, unit);
    heat("lens-own", all, readings(chosen("variant"), stepChosen(), "own"), unit);
    byId("lens-colours").hidden = byId("lens-heat").hidden && byId("lens-added").hidden;
    lensTable(all, base, after, difference, unit);
  };

  // Saved steps from the first to the last, where the slider begins; it keeps its step where a
  // newly chosen model has saved that one too.
  const saved = () => [...(lens.steps[chosen("variant")] || [])].reverse();
  let stepWanted = null;
  const stepChosen = () => {
    const all = saved();
    return all.includes(stepWanted) ? stepWanted : all[all.length - 1];
  };
  const steps = () => {
    const all = saved(), slider = byId("lens-step");
    slider.max = String(Math.max(0, all.length - 1));
    slider.value = String(all.indexOf(stepChosen()));
    const told = all.length ? `${stepChosen()} of ${all[all.length - 1]}` : "";
    byId("lens-step-told").textContent = told;
    slider.setAttribute("aria-valuetext", `step ${told}`);
    slider.parentElement.hidden = all.length < 2;
  };
  byId("lens-step").addEventListener("input", () => {
    stepWanted = saved()[Number(chosen("step"))];
    steps();
    show();
  });
  fill(byId("lens-target"), lens.targets, lens.start[0]);
  fill(byId("lens-variant"), lens.variants.length ? lens.variants : [["", "none: base model alone"]], lens.start[1]);
  for (const [name, pairs] of [["drawn", lens.drawn], ["map", lens.maps], ["position", lens.positions], ["subset", lens.subsets]]) {
    fill(byId("lens-" + name), pairs);
    byId("lens-" + name).parentElement.hidden = pairs.length < 2;
  }
  byId("lens-controls").addEventListener("change", () => { steps(); show(); });
  byId("lens-controls").addEventListener("submit", (event) => event.preventDefault());
  byId("lens-variant").parentElement.hidden = lens.variants.length === 0;
  byId("lens-controls").hidden = false;
  steps();
  show();
}, () => {
  const none = document.getElementById("lens-none");
  if (!none) return;
  none.textContent = "This browser cannot unpack the lens: its numbers are in lens.parquet.";
  none.hidden = false;
});
