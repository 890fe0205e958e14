// The shop's own script: filters that change the page without loading it, and the event of the cart.

for (const form of document.querySelectorAll("form[data-added]")) {
  form.addEventListener("submit", () => {
    const added = JSON.parse(form.dataset.added);
    trackway.push(["track", "add_to_cart", { ...added, size: new FormData(form).get("size") }]);
  });
}

const filter = document.querySelector("[data-filter]");

function showFiltered() {
  const price = new URLSearchParams(location.search).get("price") || "";
  for (const card of document.querySelectorAll("[data-cents]")) {
    const cheap = Number(card.dataset.cents) < 10000;
    card.hidden = price !== "" && cheap !== (price === "under-100");
  }
  for (const link of filter.querySelectorAll("a")) {
    if (new URL(link.href).search === location.search) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  document.querySelector("[data-none]").hidden = !!document.querySelector("[data-cents]:not([hidden])");
}

if (filter) {
  filter.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    showFiltered();
  });
  addEventListener("popstate", showFiltered);
}
