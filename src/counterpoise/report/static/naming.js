// Cards of a naming page: all but the first get their body when they are opened, out of what lies gzipped in the page.
// A body is HTML that was made and escaped by the template that made the first ones (naming_card.html.j2).
"use strict";
(() => {
  const block = document.getElementById("bodies");
  let bodies = null;

  async function unpack() {
    const bytes = Uint8Array.from(atob(JSON.parse(block.textContent)), (character) => character.charCodeAt(0));
    block.textContent = "";
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  async function fill(card) {
    if (!("body" in card.dataset) || !("DecompressionStream" in window)) return;
    const place = Number(card.dataset.body);
    delete card.dataset.body;
    bodies ??= unpack();
    card.querySelector(".card-body").innerHTML = (await bodies)[place];
  }

  // an opening card tells so to itself alone, hence the capture
  document.addEventListener("toggle", (event) => event.target.matches(".card[open]") && fill(event.target), true);

  /** Open the card that the address names. */
  function go() {
    const card = document.getElementById(location.hash.slice(1));
    if (!card?.matches(".card")) return;
    card.open = true;
    card.scrollIntoView();
    card.querySelector("summary").focus({ preventScroll: true });
  }
  addEventListener("hashchange", go);
  go();

  // the row that a table shows below itself leads to its card; its first value is the card's number
  const table = document.getElementById("sets");
  function lead() {
    const panel = table.querySelector(".table-row");
    if (panel.hidden || panel.querySelector(".to-card")) return;
    const number = panel.querySelector("dd").textContent.replaceAll(",", "");
    const link = Object.assign(document.createElement("a"), {
      className: "to-card",
      href: `#set-${number}`,
      textContent: "All of this set: its card",
    });
    link.addEventListener("click", () => location.hash === link.hash && go());
    panel.append(link);
  }
  table?.addEventListener("click", lead);
  table?.addEventListener("keydown", lead);
})();
