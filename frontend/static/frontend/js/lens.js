// Before sending: where this message would go, and why. What is typed is sent to our own server
// only, is scanned there and is never stored.

import { $, badge, copyOf, fill, post, slot } from "../../components/frame/dom.js";

const PAUSE_MS = 220;

const place = ({ name, badge: kind, detail, out }) => {
  const item = copyOf("place");
  item.classList.toggle("out", out);
  fill(item, { name, detail });
  slot(item, "name").after(badge(kind));
  return item;
};

const chip = (text, strong = false) => {
  const made = copyOf("chip");
  made.textContent = text;
  made.classList.toggle("strong", strong);
  return made;
};

export class Lens {
  #address;
  #request;
  #timer;
  #asking;

  /** `request()` gives the body that Send would send now. */
  constructor(address, request) {
    this.#address = address;
    this.#request = request;
    this.button = $("#lens");
    this.sheet = $("#why");
  }

  /** Ask again once typing pauses. */
  soon() {
    this.button.dataset.stale = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), PAUSE_MS);
  }

  async now() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    try {
      const response = await post(this.#address, this.#request(), asking.signal);
      const answer = await response.json();
      if (asking === this.#asking) this.#show(answer.lens ?? null, answer.error?.message);
    } catch (problem) {
      if (problem.name !== "AbortError") this.#show(null);
    }
  }

  #show(lens, problem) {
    delete this.button.dataset.stale;
    const words = this.button.dataset;
    this.button.querySelector(".badge")?.remove();
    if (lens?.badge) this.button.prepend(badge(lens.badge));
    slot(this.button, "headline").textContent = lens?.headline ?? words.unknown;
    $(".composer").dataset.badge = lens?.badge ?? "";
    // A live region speaks on every change, so it is only touched when its words differ.
    const reason = $("#reason");
    const said = lens?.reason || problem || (lens ? reason.dataset.rest : words.unknown);
    if (reason.textContent !== said) reason.textContent = said;
    if (!lens) return;
    fill(this.sheet, { title: lens.headline });
    slot(this.sheet, "label").replaceChildren(...lens.label.map((word, at) => chip(word, at === 0)));
    this.#list("found", lens.findings.map((word) => chip(word)));
    this.#list("rules", lens.rules.map((word) => chip(word)));
    this.#list("places", lens.places.map(place));
  }

  #list(name, items) {
    const list = slot(this.sheet, name);
    list.replaceChildren(...items);
    list.closest("[data-with]").hidden = items.length === 0;
  }
}
