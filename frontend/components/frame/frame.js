// The frame of every page: the theme, buttons that copy, and the keys that work everywhere.

import { $, copyText } from "./dom.js";

const YEAR_S = 31536000;

const theme = (name) => {
  // A cookie, so that the server writes the theme into the page and nothing flashes.
  document.cookie = `theme=${name}; path=/; max-age=${YEAR_S}; samesite=lax`;
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === name));
  }
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  if (button.dataset.setTheme) theme(button.dataset.setTheme);
  if (button.dataset.copy) copyText(button, $(button.dataset.copy).textContent);
});

const go = (selector) => $(selector)?.click();

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    go("[data-key=search]");
    return;
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n") go("[data-key=new]");
  if (event.key === "?") go("[data-key=shortcuts]");
});
