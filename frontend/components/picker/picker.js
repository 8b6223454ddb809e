// The list of models: chosen by pointer or arrows, remembered by name (which is no content).

import { $, badge, slot } from "../frame/dom.js";

export class Picker {
  #chosen;
  #sheet = $("#models");
  #once = null;

  /** `chosen()` is called whenever another model is chosen. */
  constructor(room, chosen) {
    this.#chosen = chosen;
    this.memory = `sluice.model.${room.dataset.project}`;
    const sheet = this.#sheet;
    sheet.addEventListener("change", (event) => this.choose(event.target.value));
    sheet.addEventListener("click", (event) => {
      // A pointer's click chooses and closes; arrow keys (which also click radios) keep it open.
      const option = event.target.closest(".option");
      if (event.detail > 0 && option) setTimeout(() => this.#close(option.dataset.model), 90);
    });
    sheet.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // else the button that gets the focus back is pressed by the same key
      this.#close(this.value);
    });
    sheet.addEventListener("toggle", (event) => {
      if (event.newState === "open") $("input:checked", sheet)?.focus();
      else this.#once = null;
    });
    const first = this.#option(room.dataset.chosen) ?? this.#option(localStorage.getItem(this.memory));
    if (first) first.checked = true;
    this.#show();
  }

  get value() {
    return $("input:checked", this.#sheet)?.value ?? "";
  }

  #option(name) {
    return [...this.#sheet.querySelectorAll("input")].find((input) => input.value === name);
  }

  has(name) {
    return Boolean(this.#option(name));
  }

  choose(name) {
    const option = this.#option(name);
    if (!option) return;
    option.checked = true;
    localStorage.setItem(this.memory, name);
    this.#show();
    this.#chosen();
  }

  /** Ask for a model once, for something else than the next message. */
  ask(answer) {
    this.#once = answer;
    this.#sheet.showPopover();
  }

  #close(name) {
    // A label's click comes twice: as itself, and as its radio's.
    const once = this.#once;
    this.#once = null;
    this.#sheet.hidePopover();
    once?.(name);
  }

  #show() {
    $("#pick-name").textContent = this.value;
  }

  /** What would become of the draft with each model. */
  tell(choices) {
    for (const option of this.#sheet.querySelectorAll(".option")) {
      const choice = choices[option.dataset.model];
      if (!choice) continue;
      option.toggleAttribute("data-out", choice.badge === "blocked");
      slot(option, "detail").textContent = choice.detail;
      $(".badges", option).replaceChildren(badge(choice.badge));
    }
  }
}
