"use strict";
// The matrix: rows and columns in several orders, arrow keys between its cells, and the heat table
// of languages asked and produced.
(() => {
  const { add, byId, fill, read } = babelscope;
  const data = read("matrix-data");

  const tables = [...document.querySelectorAll("#matrix table.heat")].map((table) => {
    const head = table.tHead.rows[0];
    const rows = new Map([...table.tBodies[0].rows].map((row) => [
      Number(row.dataset.row), { row, head: row.cells[0], cells: [...row.cells].slice(1) },
    ]));
    return { table, head, corner: head.cells[0], heads: [...head.cells].slice(1), rows };
  });

  // A group that a table has no rows of is left out: only the first view has those before tuning.
  const arrange = ({ table, head, corner, heads, rows }, order) => {
    const starts = new Set(order.columns.slice(1).map(([, places]) => places[0]));
    const columns = order.columns.flatMap(([, places]) => places);
    const split = (cells) => cells.forEach((cell, i) => cell.classList.toggle("split", starts.has(i)));
    split(heads);
    head.replaceChildren(corner, ...columns.map((i) => heads[i]));
    const labelled = order.columns.some(([label]) => label);
    table.tHead.replaceChildren(...(labelled ? [groupHeads(order.columns)] : []), head);
    const bodies = order.rows.map(([label, places]) => {
      const own = places.filter((place) => rows.has(place)).map((place) => rows.get(place));
      const body = document.createElement("tbody");
      if (label && own.length) groupRow(body, label, columns.length + 1);
      for (const { row, head: name, cells } of own) {
        split(cells);
        row.replaceChildren(name, ...columns.map((i) => cells[i]));
        body.append(row);
      }
      return body;
    });
    // means over all rows stand above them in any order
    const means = [...rows].filter(([place]) => place < 0).map(([, found]) => found);
    if (means.length) {
      const body = document.createElement("tbody");
      for (const { row, head: name, cells } of means) {
        split(cells);
        row.replaceChildren(name, ...columns.map((i) => cells[i]));
        body.append(row);
      }
      bodies.unshift(body);
    }
    for (const body of [...table.tBodies]) body.remove();
    table.append(...bodies.filter((body) => body.rows.length));
  };
  const groupHeads = (columns) => {
    const row = document.createElement("tr");
    row.className = "groups";
    add(row, "td");
    columns.forEach(([label, places], i) => {
      const head = add(row, "th");
      add(head, "bdi", label);
      head.scope = "colgroup";
      head.colSpan = places.length;
      head.classList.toggle("split", i > 0);
    });
    return row;
  };
  const groupRow = (body, label, width) => {
    const row = add(body, "tr");
    row.className = "group";
    const head = add(row, "th");
    add(head, "bdi", label);
    head.scope = "rowgroup";
    head.colSpan = width;
  };

  const select = byId("matrix-order");
  if (select) {
    const show = () => {
      const order = data.orders.find((one) => one.key === select.value);
      for (const table of tables) arrange(table, order);
      byId("matrix-note").textContent = order.note;
      byId("matrix-note").hidden = !order.note;
    };
    byId("matrix-controls").hidden = data.orders.length < 2;
    byId("matrix-controls").addEventListener("submit", (event) => event.preventDefault());
    select.addEventListener("change", show);
    // a browser that comes back keeps what was chosen
    if (select.value !== "study") show();
  }

  const opens = document.getElementById("matrix-opens");
  if (opens) opens.hidden = false;
  // One stop of the tab key a table; arrows, Home and End move inside it.
  const links = (table) => [...table.rows].map((row) => [...row.querySelectorAll("td a")]).filter((row) => row.length);
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -1e3], End: [0, 1e3] };
  const stop = (table, chosen) => {
    for (const link of links(table).flat()) link.tabIndex = link === chosen ? 0 : -1;
  };
  for (const { table } of tables) {
    table.setAttribute("role", "grid");
    stop(table, links(table)[0]?.[0]);
    table.addEventListener("focusin", (event) => { if (event.target.matches("td a")) stop(table, event.target); });
    table.addEventListener("keydown", (event) => {
      if (!STEPS[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
      const grid = links(table);
      const y = grid.findIndex((row) => row.includes(event.target));
      if (y < 0) return;
      const [down, right] = STEPS[event.key];
      const row = grid[Math.min(Math.max(y + down, 0), grid.length - 1)];
      const x = Math.min(Math.max(grid[y].indexOf(event.target) + right, 0), row.length - 1);
      event.preventDefault();
      row[x].focus();
    });
  }

  // Languages asked and produced: one model at a time.
  const found = data.produced;
  if (found) {
    const table = byId("produced");
    const model = byId("produced-model");
    fill(model, found.models.map((name, i) => [String(i), name]), "0");
    byId("produced-controls").hidden = table.parentElement.hidden = false;
    table.classList.toggle("many", found.columns.length > 9);
    const top = add(table.tHead, "tr");
    add(add(top, "th"), "span", "asked in ↓ answered in →").className = "corner";
    for (const name of found.columns) add(add(add(top, "th"), "span"), "bdi", name);
    for (const head of top.cells) head.scope = "col";
    const draw = () => {
      const name = found.models[Number(model.value)];
      table.caption.textContent = `Answers of ${name}, %`;
      table.tBodies[0].replaceChildren();
      found.rows.forEach((label, y) => {
        const shares = found.cells[Number(model.value)][y];
        const row = add(table.tBodies[0], "tr");
        const head = add(row, "th");
        head.scope = "row";
        add(head, "bdi", label);
        found.columns.forEach((_, x) => {
          const cell = add(row, "td");
          cell.className = (shares ? "cell" : "missing") + (x === y ? " own" : "");
          if (!shares) { add(cell, "span", "no data"); return; }
          cell.style.cssText = found.shades[Math.round((Number(shares[x]) / 100) * (found.shades.length - 1))];
          cell.textContent = shares[x] || "0";
        });
      });
    };
    byId("produced-controls").addEventListener("change", draw);
    byId("produced-controls").addEventListener("submit", (event) => event.preventDefault());
    draw();
  }
})();
