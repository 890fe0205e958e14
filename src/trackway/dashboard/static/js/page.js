// What every page has: the choice of light or dark, buttons that copy, times in the reader's own zone.

import { showTimes } from "./times.js";

const LISTS = {
  "/app/tracking": "Tracking",
  "/app/visitors": "Visitors",
  "/app/accounts": "Accounts",
  "/app/events": "Events",
};
const THEMES = { auto: "System", light: "Light", dark: "Dark" };

function setUpThemeSwitch() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  const root = document.documentElement;
  const show = () => {
    const name = THEMES[root.dataset.theme] ?? THEMES.auto;
    button.querySelector("[data-theme-name]").textContent = `Theme: ${name}`;
    button.title = `Theme: ${name}`;
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    root.dataset.theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    // The server reads the cookie, so that the next page is not drawn in the other theme first.
    document.cookie = `tw_theme=${root.dataset.theme}; path=/app; max-age=31536000; samesite=lax`;
    show();
  });
  show();
  button.hidden = false;
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain http on another host than localhost has no clipboard: copy from a selection.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused to copy");
}

function setUpCopyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const label = button.querySelector("span");
    const words = label.textContent;
    button.addEventListener("click", async () => {
      try {
        await copyText(button.closest(".snippet").querySelector("code").textContent);
        label.textContent = "Copied";
      } catch {
        label.textContent = "Select it and copy";
      }
      setTimeout(() => (label.textContent = words), 2000);
    });
    button.hidden = false;
  }
}

// A link back goes back where the reader came from, filters and all.
function setUpBackLinks() {
  for (const link of document.querySelectorAll("[data-back]")) {
    const came = document.referrer && new URL(document.referrer);
    const name = came && came.origin === location.origin && LISTS[came.pathname];
    if (name) {
      link.href = came.pathname + came.search;
      link.lastChild.textContent = ` ${name}`;
    }
  }
}

setUpThemeSwitch();
setUpCopyButtons();
setUpBackLinks();
showTimes(document);
document.addEventListener("htmx:after:swap", () => showTimes(document));
setInterval(() => showTimes(document, "age"), 5000);
