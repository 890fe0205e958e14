// The shop's own script: filters that change the page without loading it, the event of the cart,
// what the visitor says about being remembered, and the help that answers.

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

// Asked once; Trackway's script keeps the answer and obeys it on every page.
const choice = document.getElementById("choice");
const ANSWERED = "shop_choice";

if (!localStorage.getItem(ANSWERED)) choice.hidden = false;
choice.addEventListener("click", ({ target }) => {
  if (!target.value) return;
  localStorage.setItem(ANSWERED, target.value);
  choice.hidden = true;
  trackway.push(["consent", { tracking: target.value }]);
});

// That it was opened, asked and closed is recorded by itself; what was asked stays here.
document.getElementById("help").addEventListener("submit", (event) => {
  event.preventDefault();
  event.target.reset();
  document.getElementById("help-answer").textContent = "Thank you. This is a sample, so nobody reads it; the boots would be a good start.";
});
