"use strict";
// Examples: searched and filtered here, one drawn at a time; addresses are #example/TARGET/ID.
(() => {
  const { add, byId, fill, modified, parts, plain, put, unpack } = babelscope;
  const AT_ONCE = 40;
  const NAMES = ["target", "model", "turn", "cause"];
  let data = null;
  let showGrid = null;
  let found = [];
  let current = -1;
  let listed = AT_ONCE;
  let walking = false;

  const chosen = (name) => byId("example-" + name).value;
  const normal = (text) => text.normalize("NFC").toLowerCase();
  const address = (example) => `#example/${encodeURIComponent(example.target)}/${encodeURIComponent(plain(example.id))}`;
  const textOf = (place) => plain(data.texts[place]);
  const told = (parent, place, tag, direction) => {
    const span = add(parent, "span");
    span.className = "text";
    if (tag) span.lang = tag;
    span.dir = direction;
    put(span, data.texts[place]);
    return span;
  };

  // An answer is [variant, text, cause, F1, exact, stop, language]; its outcome is that against
  // the base's answer to the same question.
  const outcome = (example, answer) => {
    const base = data.variants[answer[0]][2];
    const before = example.answers.find((other) => other[0] === base);
    if (!before || before[4] < 0 || answer[4] < 0) return "";
    return before[4] === answer[4] ? "same" : answer[4] ? "right" : "wrong";
  };
  const modelOf = (answer) => data.models[data.variants[answer[0]][0]][0];
  const turnsOf = (example) => {
    const model = chosen("model");
    return example.answers.filter((a) => !model || modelOf(a) === model).map((a) => outcome(example, a));
  };
  const haystack = (example) => {
    const places = [example.question, ...example.golds, ...example.prompts, ...example.answers.map((a) => a[1])];
    example.hay ||= normal([plain(example.id), ...[...new Set(places)].map(textOf)].join("\n"));
    return example.hay;
  };
  const matches = (example) => {
    const [target, model, turn, cause] = NAMES.map(chosen);
    if (target && example.target !== target) return false;
    if (byId("example-grid").checked && !example.grids) return false;
    const fits = (answer) => (!model || modelOf(answer) === model) &&
      (!turn || outcome(example, answer) === turn) && (!cause || answer[2] === cause);
    if ((model || turn || cause) && !example.answers.some(fits)) return false;
    const words = normal(chosen("search").trim());
    return !words || haystack(example).includes(words);
  };

  const item = (index) => {
    const example = data.examples[index];
    const line = add(byId("example-list"), "li");
    const link = add(line, "a");
    link.href = address(example);
    if (index === current) link.setAttribute("aria-current", "true");
    const [name, tag, direction] = data.targets[example.target];
    add(add(link, "b"), "bdi", name);
    link.append(" ");
    Object.assign(put(link, data.texts[example.question]), { lang: tag, dir: direction });
    for (const turn of ["right", "wrong"]) {
      const count = turnsOf(example).filter((t) => t === turn).length;
      if (!count) continue;
      link.append(" ");
      add(link, "span", `${count} turned ${turn}`).className = `turn ${turn}`;
    }
    if (example.grids) add(link, "small", " grid");
  };
  const list = () => {
    byId("example-list").replaceChildren();
    found.slice(0, listed).forEach(item);
    byId("example-list").hidden = !found.length;
    byId("example-more").hidden = found.length <= listed;
    byId("example-count").textContent = `${found.length.toLocaleString("en")} of ${data.examples.length.toLocaleString("en")} questions` +
      (found.length > listed ? `, ${listed} listed` : "");
    keepSeen();
  };
  // The page itself stays where it is.
  const keepSeen = () => {
    const box = byId("example-list"), link = box.querySelector("[aria-current]");
    if (!link) return;
    const [own, all] = [link.getBoundingClientRect(), box.getBoundingClientRect()];
    const below = Math.max(0, Math.min(own.bottom - all.bottom, own.top - all.top));
    box.scrollTop += own.top < all.top ? own.top - all.top : below;
  };
  // Shown first is what most answers turned right or wrong, with a grid if any has one.
  const telling = () => {
    const weight = (example) =>
      (example.grids ? 1000 : 0) + turnsOf(example).filter((turn) => turn === "right" || turn === "wrong").length;
    const weights = found.map((i) => weight(data.examples[i]));
    return found.length ? found[weights.indexOf(Math.max(...weights))] : -1;
  };
  const filter = () => {
    found = data.examples.map((_, i) => i).filter((i) => matches(data.examples[i]));
    listed = AT_ONCE;
    if (!found.includes(current)) current = telling();
    list();
    card();
  };

  const word = (pairs, name) => (pairs.find(([key]) => key === name) || [name, ""])[1];
  const answerRow = (example, answer) => {
    const [variant, text, cause, f1, exact, stop, language] = answer;
    const row = add(byId("example-answers").tBodies[0], "tr");
    const head = add(row, "th");
    head.scope = "row";
    add(head, "bdi", data.variants[variant][1]);
    const said = add(row, "td");
    said.className = "said";
    if (textOf(text)) {
      const tag = exact === 1 ? data.targets[example.target][1] : language >= 0 ? data.languages[language][1] : "";
      told(said, text, tag, "auto");
    } else add(said, "span", "(nothing)").className = "none";
    const turn = outcome(example, answer);
    const told_ = add(row, "td");
    if (turn) add(told_, "span", turn === "same" ? "as before" : `turned ${turn}`).className = `turn ${turn}`;
    add(row, "td", word(data.causes, cause) || "no cause recorded");
    add(row, "td", f1 < 0 ? "no data" : (f1 / 10).toFixed(1));
    add(row, "td", exact < 0 ? "no data" : exact ? "yes" : "no");
    add(row, "td", word(data.stops, stop) || "no data");
    add(row, "td", language < 0 ? "not told" : data.languages[language][0]);
  };
  const title = (example) => {
    const head = byId("example-title");
    head.replaceChildren();
    add(head, "bdi", data.targets[example.target][0]);
    head.append(" ");
    put(add(head, "small"), example.id);
  };
  const card = () => {
    byId("example-card").hidden = current < 0;
    if (current < 0) return;
    const example = data.examples[current];
    const [, tag, direction] = data.targets[example.target];
    title(example);
    const place = found.indexOf(current);
    // a disabled button would lose the focus
    byId("example-before").setAttribute("aria-disabled", String(place <= 0));
    byId("example-after").setAttribute("aria-disabled", String(place < 0 || place + 1 >= found.length));
    byId("example-link").href = address(example);
    const [question, golds, prompts] = ["question", "golds", "prompts"].map((name) => byId("example-" + name));
    for (const box of [question, golds, prompts, byId("example-answers").tBodies[0]]) box.replaceChildren();
    told(question, example.question, tag, direction);
    example.golds.forEach((gold, i) => {
      if (i) add(golds, "span", " or ").className = "none";
      told(golds, gold, tag, direction);
    });
    if (!example.golds.length) add(golds, "span", "(no answer)").className = "none";
    for (const prompt of example.prompts) {
      put(Object.assign(add(prompts, "p"), { className: "context", lang: tag, dir: direction }), data.texts[prompt]);
    }
    for (const answer of example.answers) answerRow(example, answer);
    showGrid(example, data.models.findIndex(([key]) => key === chosen("model")));
  };

  const open = (index, focus) => {
    if (!found.includes(index)) {
      reset();
      filter();
    }
    current = index;
    listed = Math.max(listed, found.indexOf(index) + 1);
    list();
    card();
    if (focus) byId("example-title").focus();
  };
  const reset = () => {
    for (const name of [...NAMES, "search"]) byId("example-" + name).value = "";
    byId("example-grid").checked = false;
  };
  const asked = () => {
    const [target, ...id] = parts("example") || [null];
    if (target === null) return null;
    return data.examples.findIndex((example) => example.target === target && plain(example.id) === id.join("/"));
  };
  const follow = (event) => {
    const index = asked();
    if (index === null) return;
    // a cell's page that was closed by going back
    if (event && index === current && parts("cell", new URL(event.oldURL).hash)) return;
    if (index < 0) byId("example-count").textContent = "The page does not carry that question; look for it in samples.jsonl.";
    else open(index, !walking);
    walking = false;
  };
  const walk = (by) => {
    const index = found[found.indexOf(current) + by];
    if (index === undefined) return;
    const place = address(data.examples[index]);
    walking = place !== location.hash;
    if (walking) location.hash = place;
    else open(index, false);
  };

  const begin = (unpacked) => {
    data = unpacked;
    showGrid = babelscope.grid(data.grids, data.variants);
    fill(byId("example-target"), Object.entries(data.targets).map(([code, [name]]) => [code, name]));
    fill(byId("example-model"), data.models);
    fill(byId("example-cause"), data.causes);
    byId("example-gridded").hidden = !data.examples.some((example) => example.grids);
    byId("example-controls").hidden = false;
    filter();
    follow();
    window.addEventListener("hashchange", follow);
    let waiting = 0;
    byId("example-search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, 150);
    });
    byId("example-controls").addEventListener("change", filter);
    byId("example-more").addEventListener("click", () => {
      listed += AT_ONCE;
      list();
    });
    // the address that stands there already changes nothing when it is asked for again
    byId("example-list").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (link && link.hash === location.hash && !modified(event)) open(asked(), true);
    });
    byId("example-before").addEventListener("click", () => walk(-1));
    byId("example-after").addEventListener("click", () => walk(1));
    document.documentElement.dataset.examples = "ready";
  };

  byId("example-controls").addEventListener("submit", (event) => event.preventDefault());
  const ready = unpack("examples-data").then(begin, () => { byId("example-broken").hidden = false; });
  // Opens the explorer filtered: any of target, model (as "default English"), turn, cause, search.
  babelscope.explore = (wanted) => ready.then(() => {
    if (!data) return;
    reset();
    const unknown = [];
    for (const [name, value] of Object.entries(wanted)) {
      const field = byId("example-" + name);
      field.value = value;
      if (field.value === value) continue;
      field.value = "";
      unknown.push(`${name} ${value}`);
    }
    current = -1;
    filter();
    if (unknown.length) byId("example-count").textContent += `; not among the page’s examples: ${unknown.join(", ")}`;
    byId("examples").scrollIntoView();
    byId("example-title").focus({ preventScroll: true });
  });
})();
