"use strict";
// The page of a cell of the matrix: its address is #cell/recipe/source/target.
(() => {
  const { add, byId, modified, parts, read } = babelscope;
  const pages = read("matrix-data").pages;
  const dialog = byId("cell");

  const asked = () => parts("cell");
  const own = (table, key) => (table && Object.hasOwn(table, key) ? table[key] : undefined);
  const found = ([recipe, source, target]) => own(own(own(pages.cells, recipe), source), target);

  const grid = (parent, title, heads, rows, shown) => {
    add(parent, "h3", title);
    return table(parent, title, heads, rows, shown);
  };
  const table = (parent, caption, heads, rows, shown) => {
    const box = add(parent, "div");
    box.className = "scroll";
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", caption);
    const made = add(box, "table");
    made.className = "data";
    add(made, "caption", caption).className = "quiet";
    const top = add(add(made, "thead"), "tr");
    for (const head of heads) add(top, "th", head).scope = "col";
    const body = add(made, "tbody");
    for (const row of rows) {
      const line = add(body, "tr");
      row.forEach((text, i) => {
        const cell = add(line, i ? "td" : "th");
        if (!i) cell.scope = "row";
        if (i) cell.textContent = text; else shown(cell, text);
      });
    }
  };
  const name = (cell, text) => add(cell, "bdi", text);

  // Bars show what the table below them says.
  const bars = (parent, prefix, keys, rows, who) => {
    const box = add(parent, "div");
    box.className = "bars";
    box.setAttribute("aria-hidden", "true");
    who.forEach((label, i) => {
      add(box, "span", label);
      const bar = add(box, "span");
      bar.className = "bar";
      for (const row of rows) {
        const share = Number(row[i + 1]);
        if (!(share > 0)) continue;
        const part = add(bar, "span");
        part.style.width = `${share}%`;
        part.style.background = `var(--${prefix}-${keys[row[0]][0]})`;
      }
    });
  };
  const shares = (parent, caption, head, prefix, keys, rows, who) => {
    if (!rows) return;
    add(parent, "h3", `${caption}, % of answers`);
    bars(parent, prefix, keys, rows, who);
    table(parent, caption, [head, ...who], rows, (cell, place) => {
      const swatch = add(cell, "span");
      swatch.className = "swatch";
      swatch.style.background = `var(--${prefix}-${keys[place][0]})`;
      cell.append(keys[place][1]);
    });
  };

  const fillPage = (page, tuned) => {
    const body = byId("cell-body");
    body.replaceChildren();
    byId("cell-title").textContent = "";
    add(byId("cell-title"), "bdi", page ? page.title : "No such cell");
    if (!page) { add(body, "p", "The study has no cell of this address."); return; }
    const who = tuned ? ["base", "tuned"] : ["base"];
    const heads = tuned
      ? ["Measure", "Base (95 %)", "Tuned (95 %)", "Gain (95 %)", "p", "p after Holm, tuning", "p after Holm, these adapters", "Needed", "n"]
      : ["Measure", "Base (95 %)", "n"];
    if (page.measures) {
      grid(body, "Scores, points of 100", heads, page.measures, (cell, place) => {
        name(cell, pages.measures[place]);
        if (pages.measures[place] === pages.main) add(cell, "span", " (main)");
      });
    } else add(body, "p", "No score of this cell is in the study.").className = "absent";
    const facts = add(body, "dl");
    facts.className = "provenance";
    for (const [label, text] of page.facts || []) { add(facts, "dt", label); add(facts, "dd", text); }
    shares(body, "Causes", "Cause", "cause", pages.causes, page.causes, who);
    shares(body, "Reasons of stopping", "Reason", "stop", pages.stops, page.stops, who);
    if (page.languages) {
      grid(body, "Languages of the answers, % of answers", ["Language", ...who], page.languages, name);
    }
  };

  const has = (id, value) => {
    const select = byId(id);
    return Boolean(select) && [...select.options].some((option) => option.value === value);
  };
  let examples = null;
  const answered = (owner, target) => {
    const models = examples.variants.map(([model]) => examples.models[model][0]);
    return examples.examples.some((example) =>
      example.target === target && example.answers.some(([variant]) => models[variant] === owner));
  };
  const offer = ([recipe, source, target], page) => {
    const owner = `${recipe} ${source}`;
    byId("cell-lens").hidden = !page || !has("lens-target", target) || (source !== "" && !has("lens-variant", owner));
    byId("cell-examples").hidden = !page || !source || !examples || !answered(owner, target);
  };

  // Closing puts the matrix in the place of the page's address, which moves nothing. A link out of
  // the page does the rest when it is closed, as nothing behind it can take the focus before.
  let afterwards = () => {};
  const back = () => {
    byId("cell-body").replaceChildren();
    const place = asked();
    if (!place) {
      afterwards();
      afterwards = () => {};
      return;
    }
    history.replaceState(null, "", "#matrix");
    const links = [...document.querySelectorAll("#matrix td a")].filter((a) => a.offsetParent);
    const link = links.find((a) => parts("cell", a.hash).join("\n") === place.join("\n"));
    if (link) link.focus();
  };
  const show = () => {
    const place = asked();
    if (!place) { if (dialog.open) dialog.close(); return; }
    afterwards = () => {};
    const page = found(place);
    fillPage(page, place[1] !== "");
    offer(place, page);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    byId("cell-title").focus();
  };
  dialog.addEventListener("close", back);
  byId("cell-close").addEventListener("click", () => dialog.close());
  // a text may be selected from within to beyond the edge
  let pressed = false;
  const outside = (event) => {
    const box = dialog.getBoundingClientRect();
    const within = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    return event.target === dialog && !within;
  };
  dialog.addEventListener("pointerdown", (event) => { pressed = outside(event); });
  dialog.addEventListener("click", (event) => { if (pressed && outside(event)) dialog.close(); });
  byId("cell-lens").addEventListener("click", (event) => {
    if (modified(event)) return;
    const [recipe, source, target] = asked();
    byId("lens-target").value = target;
    if (source) byId("lens-variant").value = `${recipe} ${source}`;
    byId("lens-controls").dispatchEvent(new Event("change"));
    afterwards = () => {
      byId("inside").scrollIntoView();
      byId("lens-target").focus({ preventScroll: true });
    };
  });
  byId("cell-examples").addEventListener("click", (event) => {
    if (modified(event)) return;
    const [recipe, source, target] = asked();
    afterwards = () => babelscope.explore({ target, model: `${recipe} ${source}` });
  });
  window.addEventListener("hashchange", show);
  show();
  // a page that was open before the lens and the examples could not know of them
  const offerAgain = () => {
    const place = asked();
    if (place) offer(place, found(place));
  };
  babelscope.unpack("lens").then(offerAgain, () => {});
  if (byId("examples-data")) {
    babelscope.unpack("examples-data").then((data) => { examples = data; offerAgain(); }, () => {});
  }
})();
