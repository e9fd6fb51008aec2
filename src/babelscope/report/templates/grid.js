"use strict";
// The lens as a table of a question's tokens by depth: one grid at a time, out of packed numbers.
babelscope.grid = (all, variants) => {
  const { add, byId, fill, plain, put } = babelscope;
  const COLOURS = ["#2f78b7", "#c8590f", "#1b8f72", "#9a5cc0", "#b58a12", "#c9456f", "#2a9db5", "#8a6a4a", "#6f9326", "#6a6adb", "#cf72ab", "#b0413e"];
  // What stands for a language where the map knows too little of the token that leads.
  const UNSURE = "unsure";
  const grids = all.grids || [];
  const [table, readout] = [byId("grid-table"), byId("grid-readout")];
  let example = null;
  let cells = [];
  let active = [0, 0];

  // The languages that lead most often have colours of their own, the same in every grid.
  const colourOf = (() => {
    const often = (all.leads || []).map(() => 0);
    for (const grid of grids) for (const lead of grid.leads) if (lead !== null) often[lead] += 1;
    const ranked = often.map((_, i) => i).slice(0, -2).sort((a, b) => often[b] - often[a] || a - b);
    const own = new Map(ranked.slice(0, COLOURS.length).map((lead, i) => [lead, COLOURS[i]]));
    return (lead) => own.get(lead) || "var(--muted)";
  })();

  const hex = (text) => [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, "0")).join("");
  const bytesOf = (token) => (Array.isArray(token) ? token : [token])
    .map((piece) => (Array.isArray(piece) ? piece[1] : hex(piece))).join("").toUpperCase().replace(/(..)(?=.)/g, "$1 ");
  const share = (thousandths) => (thousandths === null ? "no data" : `${(thousandths / 10).toFixed(1)}\u00a0%`);
  const percent = (hundredths) => (hundredths === null ? "no data" : `${hundredths}\u00a0%`);
  const tagOf = (lead) => (lead === null ? "no data" : all.leads[lead][0]);
  const token = (parent, place) => put(parent, all.tokens[place]);

  const own = (variant) => {
    const found = (example.grids || []).find(([whose]) => whose === variant);
    return found ? grids[found[1]] : null;
  };
  const chosen = () => {
    const variant = Number(byId("grid-variant").value);
    const base = variants[variant][2] < 0 ? variant : variants[variant][2];
    return { tuned: own(variant), base: own(base), names: [variants[variant][1], variants[base][1]] };
  };
  const at = (grid, row, column) => {
    const i = row * grid.tokens.length + column;
    return {
      top: grid.top[i], p: grid.p[i], lead: grid.leads[i], mass: grid.mass[i],
      shared: grid.shared[i], unknown: grid.unknown[i], doubt: (grid.doubt || [])[i],
    };
  };

  const massText = (cell) => {
    if (cell.lead === null) return "no data on the mass";
    const rest = [["shared", cell.shared], ["unknown", cell.unknown]]
      .filter(([kind]) => tagOf(cell.lead) !== kind)
      .map(([kind, mass]) => `${kind} ${percent(mass)}`);
    const doubt = cell.doubt ? ` on little evidence (half of it or more is this token’s: ${all.doubts[cell.doubt]})` : "";
    return `${all.leads[cell.lead][1]} leads with ${percent(cell.mass)} of the mass${doubt}; ${rest.join(", ")}`;
  };
  const tell = (row, column) => {
    const { grid, other } = drawn;
    if (!grid) return;
    readout.replaceChildren("After ");
    token(readout, grid.tokens[column]);
    const part = column < grid.prompt ? "prompt" : "answer";
    readout.append(` (token ${grid.first + column}, in the ${part}, bytes ${bytesOf(all.tokens[grid.tokens[column]])}), depth ${grid.depths[row]}: `);
    for (const [who, from] of other ? [["base ", other], ["; tuned ", grid]] : [["", grid]]) {
      const cell = at(from, row, column);
      readout.append(who);
      token(readout, cell.top);
      readout.append(` ${share(cell.p)}, bytes ${bytesOf(all.tokens[cell.top])}; ${massText(cell)}`);
    }
    readout.append(".");
  };

  const activate = (row, column, focus) => {
    const before = (cells[active[0]] || [])[active[1]];
    if (before) before.tabIndex = -1;
    active = [row, column];
    cells[row][column].tabIndex = 0;
    if (focus) cells[row][column].focus();
  };
  const moves = {
    ArrowUp: ([r, c]) => [r - 1, c], ArrowDown: ([r, c]) => [r + 1, c],
    ArrowLeft: ([r, c]) => [r, c - 1], ArrowRight: ([r, c]) => [r, c + 1],
    Home: ([r], ctrl) => [ctrl ? 0 : r, 0],
    End: ([r], ctrl) => [ctrl ? cells.length - 1 : r, cells[0].length - 1],
    PageUp: ([, c]) => [0, c], PageDown: ([, c]) => [cells.length - 1, c],
  };
  const placeOf = (event) => {
    const td = event.target.closest("td[data-row]");
    return td ? [Number(td.dataset.row), Number(td.dataset.column)] : null;
  };
  table.addEventListener("keydown", (event) => {
    if (!moves[event.key] || !placeOf(event)) return;
    event.preventDefault();
    const [row, column] = moves[event.key](active, event.ctrlKey);
    if (cells[row] && cells[row][column]) activate(row, column, true);
  });
  table.addEventListener("focusin", (event) => {
    const place = placeOf(event);
    if (!place) return;
    activate(...place, false);
    tell(...place);
  });
  // A pointer that rests while the keyboard scrolls cells below it says nothing.
  let pointer = "";
  const pointed = (event) => `${event.screenX} ${event.screenY}`;
  document.addEventListener("pointermove", (event) => { pointer = pointed(event); });
  table.addEventListener("pointerover", (event) => {
    const place = placeOf(event);
    if (place && pointed(event) !== pointer) tell(...place);
  });

  const drawCell = (td, grid, other, row, column) => {
    const cell = at(grid, row, column);
    const before = other ? at(other, row, column) : null;
    if (before && before.top === cell.top) {
      td.className = "same";
      const change = (cell.p - before.p) / 10;
      if (cell.p === null || before.p === null) add(td, "span", "no data");
      else add(td, "span", `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(1)}`);
      return;
    }
    td.style.setProperty("--c", cell.doubt ? "var(--hatch)" : colourOf(cell.lead));
    td.style.setProperty("--p", `${6 + cell.p / 22}%`);
    if (before) {
      add(token(td, before.top), "span", " →").className = "arrow";
      td.firstChild.className = "before";
    }
    token(td, cell.top);
    add(td, "small", cell.p === null ? "no data" : cell.doubt ? UNSURE : tagOf(cell.lead));
  };
  const heads = (grid, columns) => {
    const [groups, names] = [add(table.tHead, "tr"), add(table.tHead, "tr")];
    add(groups, "td");
    const prompt = Math.min(grid.prompt, columns);
    for (const [text, span] of [["end of the prompt", prompt], ["its answer", columns - prompt]]) {
      if (!span) continue;
      const head = add(groups, "th");
      add(head, "span", text).className = "group";
      head.colSpan = span;
      head.scope = "colgroup";
    }
    add(names, "th", "depth").scope = "col";
    const last = add(table.tFoot, "tr");
    add(last, "th", "came next").scope = "row";
    for (let column = 0; column < columns; column += 1) {
      const head = add(names, "th");
      head.scope = "col";
      head.classList.toggle("begins", column === grid.prompt);
      token(head, grid.tokens[column]);
      const next = column + 1 < grid.tokens.length ? grid.tokens[column + 1] : grid.next;
      const came = add(last, "td");
      if (next >= 0) token(came, next);
      else add(came, "span", "not known").className = "none";
    }
  };

  let drawn = {};
  const draw = () => {
    if (!example.grids) return;
    const { tuned, base, names } = chosen();
    const kind = base && base !== tuned ? byId("grid-drawn").value : "tuned";
    const grid = kind === "base" ? base : tuned;
    const other = kind === "difference" ? base : null;
    let columns = grid.tokens.length;
    if (other) {
      const shorter = Math.min(columns, other.tokens.length);
      columns = 0;
      if (grid.first === other.first) while (columns < shorter && grid.tokens[columns] === other.tokens[columns]) columns += 1;
    }
    drawn = { grid, other };
    for (const part of [table.tHead, table.tBodies[0], table.tFoot]) part.replaceChildren();
    heads(grid, columns);
    cells = grid.depths.map((depth, row) => {
      const line = add(table.tBodies[0], "tr");
      add(line, "th", String(depth)).scope = "row";
      return Array.from({ length: columns }, (_, column) => {
        const td = add(line, "td");
        td.tabIndex = -1;
        td.dataset.row = row;
        td.dataset.column = column;
        td.classList.toggle("begins", column === grid.prompt);
        drawCell(td, grid, other, row, column);
        return td;
      });
    });
    const dropped = grid.tokens.length - columns;
    byId("grid-told").textContent = {
      tuned: `${names[0]}: the last ${grid.prompt} tokens of the prompt and the answer.`,
      base: `${names[1]}: the last ${grid.prompt} tokens of the prompt and the answer.`,
      difference: `${names[0]}, against ${names[1]}: where another token leads, before → after; elsewhere the change of its probability, in points.` +
        (dropped ? ` Left out, from where the answers part: ${dropped} ${dropped > 1 ? "columns" : "column"}.` : ""),
    }[kind];
    legend(grid);
    readout.textContent = "Point at a cell, or go to it by keyboard, to read its numbers here.";
    if (!columns) return;
    activate(cells.length - 1, Math.min(grid.prompt, columns) - 1, false);
    byId("grid-scroll").scrollLeft = byId("grid-scroll").scrollWidth;
  };
  const legend = (grid) => {
    const list = byId("grid-colours");
    list.replaceChildren();
    const sure = grid.leads.filter((_, i) => !(grid.doubt || [])[i]);
    for (const lead of [...new Set(sure)].filter((lead) => lead !== null).sort((a, b) => a - b)) {
      const item = add(list, "li");
      const swatch = add(item, "span");
      swatch.className = "swatch";
      swatch.style.background = colourOf(lead);
      const [tag, name] = all.leads[lead];
      add(item, "bdi", name.startsWith(tag) ? ` ${name}` : ` ${tag} ${name}`);
    }
    if (sure.length === grid.leads.length) return;
    const item = add(list, "li");
    const swatch = add(item, "span");
    swatch.className = "swatch";
    swatch.style.background = "var(--hatch)";
    item.append(` ${UNSURE}: the map knows too little of the token`);
  };

  byId("grid-controls").addEventListener("change", draw);
  byId("grid-controls").addEventListener("submit", (event) => event.preventDefault());

  return (shown, model) => {
    example = shown;
    const having = (shown.grids || []).map(([variant]) => variant);
    byId("grid-none").hidden = having.length > 0;
    byId("grid-body").hidden = !having.length;
    if (!having.length) return;
    const tuned = having.filter((variant) => variants[variant][2] >= 0);
    const select = byId("grid-variant");
    const before = select.value;
    const offered = (tuned.length ? tuned : having).map(String);
    select.replaceChildren();
    const wanted = offered.find((variant) => variants[variant][0] === model);
    fill(select, offered.map((variant) => [variant, variants[variant][1]]), wanted || before);
    for (const name of ["variant", "drawn"]) byId(`grid-${name}`).parentElement.hidden = !tuned.length;
    draw();
  };
};
