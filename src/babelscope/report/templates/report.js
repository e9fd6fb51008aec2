"use strict";
const babelscope = (() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const figures = read("figures");
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

  // A text of a study is a string, or a list of strings, [name of a character that would steer the
  // page or not be seen, its bytes] and counts of characters left out.
  const pieces = (text) => (Array.isArray(text) ? text : [text]);
  const put = (parent, text) => {
    const into = add(parent, "bdi");
    pieces(text).forEach((piece, i, whole) => {
      if (typeof piece === "string") into.append(piece);
      else if (Array.isArray(piece)) add(into, "span", piece[0]).className = "control";
      else add(into, "span", ` … ${piece.toLocaleString("en")} more characters${i + 1 < whole.length ? " … " : ""}`).className = "none";
    });
    return into;
  };
  const plain = (text) => pieces(text).map((piece) => (Array.isArray(piece) ? piece[0] : typeof piece === "string" ? piece : "")).join("");

  // Large data come deflated, as base64; who asks for them again gets the same.
  const inflate = async (id) => {
    const bytes = Uint8Array.from(atob(byId(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const unpacked = new Map();
  const unpack = (id) => {
    if (!unpacked.has(id)) unpacked.set(id, inflate(id));
    return unpacked.get(id);
  };
  // The decoded parts of an address such as #cell/a/b/c, none where they cannot be decoded; null
  // for an address of another kind.
  const parts = (kind, hash = location.hash) => {
    if (!hash.startsWith(`#${kind}/`)) return null;
    try {
      return hash.slice(kind.length + 2).split("/").map(decodeURIComponent);
    } catch {
      return [];
    }
  };
  const modified = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  // A command is selected when its button is pressed, and copied where the browser allows it.
  for (const command of document.querySelectorAll("pre.command")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${command.getAttribute("aria-label").toLowerCase()}`);
    command.after(button);
    const told = document.createElement("span");
    told.className = "told";
    told.setAttribute("role", "status");
    button.after(told);
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(command);
      try {
        await navigator.clipboard.writeText(command.textContent);
        told.textContent = "copied";
      } catch {
        told.textContent = "selected: copy it by keyboard";
      }
    });
  }

  // A table that is wider than its box says so, and fades where it goes on.
  const ROOM = 2;
  const cue = (box) => {
    const [right, below] = [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight];
    box.classList.toggle("more-right", right > ROOM && box.scrollLeft < right - ROOM);
    box.classList.toggle("more-below", below > ROOM && box.scrollTop < below - ROOM);
    box.nextElementSibling.hidden = right <= ROOM;
  };
  const cues = new ResizeObserver((entries) => {
    for (const box of new Set(entries.map((e) => e.target.closest(".scroll, .lens-scroll")))) cue(box);
  });
  for (const box of document.querySelectorAll(".scroll, .lens-scroll")) {
    const told = document.createElement("p");
    told.className = "goes-on";
    told.textContent = "Goes on to the right: scroll sideways →";
    told.hidden = true;
    box.after(told);
    box.addEventListener("scroll", () => cue(box), { passive: true });
    cues.observe(box);
    for (const inner of box.children) cues.observe(inner);
  }

  const forget = (element) => { Plotly.purge(element); drawn.delete(element); };
  return { add, byId, colour, draw, fill, forget, modified, parts, plain, put, read, unpack };
})();
