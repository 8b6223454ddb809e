// Before sending: where this message would go, and why. What is typed is sent to our own server
// only, is scanned there and is stored only once it is sent.

import { $, badge, copyOf, fill, post, slot } from "../frame/dom.js";

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
  #picker;
  #timer;
  #asking;
  #box = $("#text");
  #ghosted = $("#ghosted");

  /** `request()` gives what Send would send now; `picker` is told of the choices. */
  constructor(address, request, picker) {
    this.#address = address;
    this.#request = request;
    this.#picker = picker;
    this.button = $("#lens");
    this.sheet = $("#why");
    this.#box.addEventListener("scroll", () => (this.#ghosted.scrollTop = this.#box.scrollTop), {
      passive: true,
    });
    for (const sheet of [this.sheet, $("#models")]) {
      sheet.addEventListener("toggle", (event) => event.newState === "open" && this.now());
    }
  }

  /** Ask again once typing pauses. */
  soon() {
    this.button.dataset.stale = "";
    this.#ghosted.replaceChildren();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), PAUSE_MS);
  }

  async now() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const text = this.#box.value;
    const choices = Boolean($("#why:popover-open, #models:popover-open"));
    try {
      const body = { ...this.#request(), text, choices };
      const answer = await (await post(this.#address, body, asking.signal)).json();
      if (asking !== this.#asking) return;
      this.#show(answer.lens ?? null, answer.error?.message);
      this.#underline(text, answer.marks ?? []);
      if (answer.choices) this.#choose(answer.choices);
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

  /** Lines under what was found, drawn behind the words. */
  #underline(text, marks) {
    if (text !== this.#box.value) return;
    const parts = [];
    let at = 0;
    for (const { start, end } of marks) {
      parts.push(text.slice(at, start));
      const mark = document.createElement("mark");
      mark.textContent = text.slice(start, end);
      parts.push(mark);
      at = end;
    }
    if (marks.length) parts.push(text.slice(at), "\n");
    this.#ghosted.replaceChildren(...parts);
    this.#ghosted.scrollTop = this.#box.scrollTop;
  }

  /** The choices that the policy leaves: stay on-prem, or mask and use the cloud. */
  #choose(choices) {
    this.#picker.tell(choices);
    // Not what would happen anyway.
    const known = new Set([$(".composer").dataset.badge]);
    const ways = Object.entries(choices)
      .filter(([name, choice]) => {
        if (choice.badge === "blocked" || known.has(choice.badge) || name === this.#picker.value) return false;
        known.add(choice.badge);
        return true;
      })
      .map(([name, choice]) => {
        const way = copyOf("way");
        slot(way, "badge").replaceChildren(badge(choice.badge));
        fill(way, { name, detail: choice.detail });
        way.addEventListener("click", () => {
          this.#picker.choose(name);
          this.sheet.hidePopover();
        });
        return way;
      });
    this.#list("ways", ways);
  }
}
