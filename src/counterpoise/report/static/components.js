// What moves on a page: sortable tables that draw only the visible rows, and maps of tokens under one switch.
// The HTML, and the JSON beside each part, are made by components.py. Text from data enters the page as text nodes alone.
"use strict";
(() => {
  const CONTROL = /([\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}])/u;
  const whole = new Intl.NumberFormat("en-US");

  // --- text and numbers, as safe_text.py and components.py write them -------------------------------------------

  /** Append text to an element; a control character becomes its code point in a small box. */
  function write(element, text) {
    text.split(CONTROL).forEach((part, i) => {
      if (i % 2 === 0) {
        element.append(part);
      } else {
        const code = part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
        element.append(make("span", { className: "control", textContent: `U+${code}` }));
      }
    });
    return element;
  }

  /** Make an element with properties and children. */
  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  const signed = (text) => text.replace("-", "\u2212"); // a true minus sign
  const bare = (text) => signed(text).replace(/^(\u2212?)0\./, "$1."); // no zero before the point
  const fraction = (value) => (value === null ? "-" : bare(value.toFixed(3)));

  /** The JSON of a part, unpacked where it is gzipped; the text is then dropped from the document. */
  async function read(root) {
    const block = root.querySelector(":scope > script");
    let data = JSON.parse(block.textContent);
    if (block.dataset.encoding === "gzip") {
      const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
      data = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
    }
    block.remove();
    return data;
  }

  // --- tables ------------------------------------------------------------------------------------------------------

  const SPARE = 12; // rows drawn beyond both edges of what is visible
  const PAUSE = 150; // ms without a key before the filter is applied

  async function table(root) {
    const scroller = root.querySelector(".table-scroll");
    const status = root.querySelector(".table-status");
    const panel = root.querySelector(".table-row");
    const body = root.querySelector("tbody");
    if (root.querySelector(":scope > script").dataset.encoding && !("DecompressionStream" in window)) {
      status.textContent = "This browser is too old to unpack all rows; the first ones are shown.";
      return;
    }
    const { rows, columns } = await read(root);
    root.classList.add("live");
    columns.forEach(prepare);
    const searched = columns.filter((column) => !column.numeric);

    let haystack = null; // one lower-case text a row, made at the first search
    let sorted = { column: null, descending: false };
    let view = Uint32Array.from({ length: rows }, (_, i) => i); // the rows to show, in order
    let current = -1; // the place in the view that the arrow keys move
    let height = 0; // of one row, in px
    let drawn = [-1, -1];

    /** Give a column its words: the text of a row, and whether the row has no value. */
    function prepare(column) {
      const { kind, labels, values, digits } = column;
      column.numeric = kind === "number" || kind === "percent";
      if (!column.numeric) {
        column.text = labels ? (row) => labels[values[row]] : (row) => values[row];
        column.missing = (row) => column.text(row) === "";
        return;
      }
      const form = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
      const number = kind === "percent"
        ? (value) => `${signed(form.format(100 * value))}\u00a0%`
        : (value) => bare(form.format(value));
      column.missing = (row) => values[row] === null;
      column.text = (row) => (column.missing(row) ? "-" : number(values[row]));
    }

    /** All rows in ascending order of a column, those without a value apart; found once a column. */
    function order(column) {
      if (column.order) return column.order;
      const { values } = column;
      const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
      const compare = column.numeric || column.labels
        ? (a, b) => values[a] - values[b] // labels are numbered in order
        : (a, b) => collator.compare(values[a], values[b]);
      const known = [];
      const unknown = [];
      for (let row = 0; row < rows; row++) (column.missing(row) ? unknown : known).push(row);
      known.sort((a, b) => compare(a, b) || a - b);
      column.order = { known, unknown };
      return column.order;
    }

    /** Which rows to show, and in which order. */
    function arrange() {
      let all = Array.from({ length: rows }, (_, i) => i);
      if (sorted.column) {
        const { known, unknown } = order(sorted.column);
        all = (sorted.descending ? known.toReversed() : known).concat(unknown);
      }
      const wanted = search.value.trim().toLowerCase();
      if (wanted && !haystack) {
        haystack = Array.from({ length: rows }, (_, row) =>
          searched.map((column) => column.text(row)).join("\n").toLowerCase());
      }
      const chosen = choices.filter(({ select }) => select.value !== "");
      view = Uint32Array.from(all.filter((row) =>
        (!wanted || haystack[row].includes(wanted)) &&
        chosen.every(({ column, select }) => column.values[row] === Number(select.value))));
      status.textContent = `Showing ${whole.format(view.length)} of ${whole.format(rows)}`;
      scroller.scrollTop = 0;
      close();
      draw(true);
    }

    /** Draw the visible rows between two spacers; nothing is done where they are drawn already. */
    function draw(changed = false) {
      const space = height || 36;
      const first = Math.max(0, Math.floor(scroller.scrollTop / space) - SPARE);
      const last = Math.min(view.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / space) + SPARE);
      if (!changed && first === drawn[0] && last === drawn[1]) return;
      drawn = [first, last];
      const lines = [];
      for (let place = first; place < last; place++) lines.push(line(place));
      body.replaceChildren(spacer(first * space), ...lines, spacer((view.length - last) * space));
      const measured = lines.length ? lines[0].getBoundingClientRect().height : 0;
      if (measured && Math.abs(measured - space) > 0.01) {
        height = measured;
        draw(true);
      }
    }

    function line(place) {
      const row = make("tr");
      row.ariaRowIndex = place + 2;
      row.dataset.place = place;
      row.classList.toggle("current", place === current);
      for (const column of columns) {
        const text = write(make("span", { dir: "auto" }), column.text(view[place]));
        row.append(make("td", { className: column.kind }, text));
      }
      return row;
    }

    function spacer(size) {
      const cell = make("td", { colSpan: columns.length });
      cell.style.height = `${size}px`;
      const row = make("tr", { className: "spacer", hidden: size <= 0 }, cell);
      row.ariaHidden = "true";
      return row;
    }

    /** Show one row in full below the table. */
    function open(place) {
      current = place;
      panel.replaceChildren(make("dl", {}, ...columns.map((column) =>
        make("div", {}, write(make("dt"), column.title), write(make("dd", { dir: "auto" }), column.text(view[place]))))));
      panel.hidden = false;
      mark();
    }

    function close() {
      current = -1;
      panel.hidden = true;
      mark();
    }

    /** Mark the current row among those drawn. */
    function mark() {
      for (const row of body.rows) row.classList.toggle("current", Number(row.dataset.place) === current);
    }

    function sort(column, header) {
      sorted = { column, descending: sorted.column === column && !sorted.descending };
      for (const other of header.parentElement.cells) other.ariaSort = null;
      header.ariaSort = sorted.descending ? "descending" : "ascending";
      arrange();
    }

    // headings become buttons
    [...root.querySelectorAll("thead th")].forEach((header, i) => {
      const button = make("button", { type: "button" }, ...header.childNodes);
      button.addEventListener("click", () => sort(columns[i], header));
      header.append(button);
    });

    // a search field, and a choice for each column of labels
    const search = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    let waiting;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(arrange, PAUSE);
    });
    const choices = columns.filter((column) => column.labels?.length > 1).map((column) => {
      const select = make("select", {}, make("option", { value: "", textContent: "all" }));
      column.labels.forEach((label, i) => select.append(write(make("option", { value: String(i) }), label || "(none)")));
      select.addEventListener("change", arrange);
      return { column, select };
    });
    const tools = root.querySelector(".table-tools");
    if (searched.length) tools.append(make("label", {}, make("span", { textContent: "Search the text" }), search));
    for (const { column, select } of choices) tools.append(make("label", {}, write(make("span"), column.title), select));
    tools.hidden = !tools.childElementCount;

    scroller.addEventListener("scroll", () => draw()); // comes once a frame
    new ResizeObserver(() => {
      height = 0;
      draw(true);
    }).observe(scroller);
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-place]");
      if (row && !getSelection().toString()) open(Number(row.dataset.place));
    });
    scroller.addEventListener("keydown", (event) => {
      if (event.target !== scroller) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && view.length) {
        const place = Math.min(Math.max(current + step, 0), view.length - 1);
        const top = place * height;
        const above = root.querySelector("caption").offsetHeight + root.querySelector("thead").offsetHeight;
        const room = scroller.clientHeight - above;
        if (top < scroller.scrollTop) scroller.scrollTop = top;
        else if (top + height > scroller.scrollTop + room) scroller.scrollTop = top + height - room;
        if (panel.hidden) current = place;
        else open(place);
        draw();
        mark();
      } else if (event.key === "Enter" && current >= 0) {
        open(current);
      } else if (event.key === "Escape" && !panel.hidden) {
        close();
      } else {
        return;
      }
      event.preventDefault();
    });
    arrange();
  }

  // --- maps of tokens ----------------------------------------------------------------------------------------------

  const FOLDED = 250; // tokens from which a map is folded

  async function heat(root) {
    const { objectives, maps } = await read(root);
    root.classList.add("live");
    const controls = root.querySelector(".heat-switch");
    const times = controls.querySelector("input[type=checkbox]");
    const parts = [...root.querySelectorAll(".heat-sample")].map((sample, i) => part(sample, maps[i]));
    controls.hidden = false;

    /** The weights of a sample's tokens, times that of the sample where that is asked for. */
    function weighed(map, objective) {
      const by = times?.checked ? map.sample_weights[objective] ?? 1 : 1;
      return map.weights[objective].map((weight) => (weight === null ? null : weight * by));
    }

    /** Colour every token; the scale ends at 1, or at the largest weight where one is larger. */
    function paint() {
      const objective = Number(controls.querySelector("input[type=radio]:checked").value); // -1: confidence
      const all = maps.map((map) => (objective < 0 ? map.confidence : weighed(map, objective)));
      const top = all.reduce((most, list) => list.reduce((a, b) => Math.max(a, b ?? 0), most), 1);
      parts.forEach(({ spans }, i) => spans.forEach((span, j) => {
        const step = Math.round((10 * Math.min(Math.max(all[i][j] ?? 0, 0), top)) / top);
        const weak = span.classList.contains("weak");
        span.className = weak ? `w${step} weak` : `w${step}`;
      }));
      const scaled = times?.checked ? " times sample weight" : "";
      const what = objective < 0 ? "Confidence" : `${objectives[objective]} weight${scaled}`;
      root.querySelector(".heat-what").replaceChildren();
      write(root.querySelector(".heat-what"), what);
      [0, 0.5, 1].forEach((at, i) => {
        root.querySelectorAll(".heat-ticks b")[i].textContent = bare(String(Number((at * top).toPrecision(3))));
      });
      if (times) times.disabled = objective < 0;
      for (const { retell } of parts) retell();
    }

    /** One sample: its tokens can be walked with the arrow keys, and a line below says what is known of one. */
    function part(sample, map) {
      const box = sample.querySelector(".heat-tokens");
      const readout = sample.querySelector(".heat-readout");
      const spans = [...box.children];
      const places = new Map(spans.map((span, i) => [span, i]));
      let current = 0; // the token that Tab leads to
      let told = -1; // the token whose numbers stand below
      box.setAttribute("role", "listbox");
      box.setAttribute("aria-label", "Tokens of the answer; arrow keys walk them");
      box.setAttribute("aria-orientation", "horizontal");
      for (const span of spans) {
        span.setAttribute("role", "option");
        span.removeAttribute("title");
      }
      if (spans.length) spans[0].tabIndex = 0;
      readout.textContent = "Point at a token, or walk them with the arrow keys, to read its numbers.";

      function tell(i) {
        told = i;
        const token = spans[i].textContent.replace(/^ /, "\u00b7").replace(/\u21b5\n/g, "\u21b5") || "\u2205";
        const line = [
          make("b", { textContent: `${whole.format(i + 1)} of ${whole.format(spans.length)}` }),
          make("code", { dir: "auto", textContent: token }),
          make("span", { textContent: `confidence ${fraction(map.confidence[i])}` }),
        ];
        objectives.forEach((label, k) => {
          if (!map.weights[k].length) return;
          const weight = weighed(map, k)[i];
          line.push(write(make("span"), `${label} ${fraction(weight)}`));
        });
        readout.replaceChildren(...line);
      }

      function go(i) {
        spans[current].removeAttribute("tabindex");
        current = i;
        spans[i].tabIndex = 0;
        if (box.classList.contains("folded") && spans[i].offsetTop + spans[i].offsetHeight > box.clientHeight) fold(false);
        spans[i].focus();
      }

      /** The token above or below, nearest to where the current one stands. */
      function beside(step) {
        const from = spans[current].getBoundingClientRect();
        let best = current;
        let near = Infinity;
        let line = null;
        for (let i = current + step; i >= 0 && i < spans.length; i += step) {
          const at = spans[i].getBoundingClientRect();
          if (line === null && Math.abs(at.top - from.top) > from.height / 2) line = at.top;
          if (line === null) continue;
          if (Math.abs(at.top - line) > from.height / 2) break;
          if (Math.abs(at.left - from.left) < near) {
            near = Math.abs(at.left - from.left);
            best = i;
          }
        }
        return best;
      }

      box.addEventListener("pointerover", (event) => {
        const i = places.get(event.target.closest(".heat-tokens > span"));
        if (i !== undefined) tell(i);
      });
      box.addEventListener("focusin", (event) => tell(places.get(event.target)));
      box.addEventListener("click", (event) => {
        const i = places.get(event.target.closest(".heat-tokens > span"));
        if (i !== undefined && !getSelection().toString()) go(i);
      });
      box.addEventListener("keydown", (event) => {
        const to = {
          ArrowRight: () => Math.min(current + 1, spans.length - 1),
          ArrowLeft: () => Math.max(current - 1, 0),
          ArrowDown: () => beside(1),
          ArrowUp: () => beside(-1),
          Home: () => 0,
          End: () => spans.length - 1,
        }[event.key];
        if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        go(to());
      });

      const button = sample.querySelector(".heat-fold");
      function fold(folded) {
        box.classList.toggle("folded", folded);
        button.textContent = folded ? `Show all ${whole.format(spans.length)} tokens` : "Fold";
        button.ariaExpanded = String(!folded);
      }
      if (spans.length > FOLDED) {
        box.classList.add("long");
        button.hidden = false;
        button.addEventListener("click", () => fold(!box.classList.contains("folded")));
        fold(true);
      }
      return { spans, retell: () => told >= 0 && tell(told) };
    }

    controls.addEventListener("change", paint);
    paint(); // a browser may bring back an earlier choice on reload
  }

  for (const root of document.querySelectorAll("[data-component=table]")) table(root);
  for (const root of document.querySelectorAll("[data-component=heat]")) heat(root);
})();
