// What can be done with a message: copy, edit, write again, take back, say what one thinks of it.

import { $, copyOf, copyText, post } from "../frame/dom.js";

const addressOf = (room, message, what) => `${room.dataset.page}messages/${message}/${what}`;

export const textOf = async (room, message) => {
  const response = await fetch(addressOf(room, message, "text"), { credentials: "same-origin" });
  if (!response.ok) throw new Error(String(response.status));
  return response.text();
};

export class Messages {
  /** `chat`: { room, show(at), send(text, parent), pickModel(answer), composer, failed(response) } */
  constructor(chat) {
    this.chat = chat;
    this.room = chat.room;
    $("#log").addEventListener("click", (event) => this.#act(event));
    $("#log").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#sendEdited(event.target);
    });
    this.felt();
  }

  /** Press the thumbs that were given before. */
  felt() {
    for (const { dataset } of document.querySelectorAll("[data-felt]")) {
      const act = dataset.good === "1" ? "good" : "bad";
      $(`#m${dataset.felt} [data-act="${act}"]`)?.setAttribute("aria-pressed", "true");
    }
  }

  async #act(event) {
    const branch = event.target.closest("a[data-branch]");
    if (branch && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      this.chat.show(branch.href);
      return;
    }
    const code = event.target.closest("[data-copy-code]");
    if (code) {
      await copyText(code, $("code", code.closest("figure")).textContent);
      this.chat.say("copied");
    }
    const button = event.target.closest("[data-act]");
    const message = button?.closest(".message");
    if (message) await this[`do_${button.dataset.act.replace("-", "_")}`]?.(message, button);
  }

  async do_copy(message, button) {
    await copyText(button, await textOf(this.room, message.dataset.message));
    this.chat.say("copied");
  }

  do_again(message, button) {
    return this.#again(message.dataset.message, button.dataset.model ?? "");
  }

  do_other(message) {
    this.chat.pickModel((model) => this.#again(message.dataset.message, model));
  }

  async #again(message, model) {
    if (model) this.chat.choose(model);
    const response = await post(addressOf(this.room, message, "again"), { model });
    if (!response.ok) return this.chat.failed(response);
    const { reply } = await response.json();
    return this.chat.show(`${this.room.dataset.page}?at=${reply}`);
  }

  do_continue() {
    return this.chat.send($(".composer").dataset.continue);
  }

  async do_back(message) {
    const asked = message.dataset.parent;
    const response = await post(addressOf(this.room, asked, "back"), {});
    if (!response.ok) return this.chat.failed(response);
    const { text } = await response.json();
    this.chat.composer.take(text);
    const parent = $(`#m${asked}`)?.dataset.parent ?? "";
    message.remove();
    $(`#m${asked}`)?.remove();
    this.room.dataset.leaf = parent;
    return undefined;
  }

  async do_good(message, button) {
    await this.#feel(message, button, true);
  }

  async do_bad(message, button) {
    await this.#feel(message, button, false);
  }

  async #feel(message, button, good) {
    const taken = button.getAttribute("aria-pressed") === "true";
    const body = { good: taken ? null : good };
    const response = await post(addressOf(this.room, message.dataset.message, "feedback"), body);
    if (!response.ok) return;
    for (const each of message.querySelectorAll('[data-act="good"], [data-act="bad"]')) {
      each.setAttribute("aria-pressed", String(each === button && !taken));
    }
  }

  async do_edit(message) {
    if (message.querySelector("form.edit")) return;
    const form = copyOf("edit-form");
    const box = $("textarea", form);
    box.id = `edit-${message.dataset.message}`;
    $("label", form).htmlFor = box.id;
    box.value = await textOf(this.room, message.dataset.message);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        this.do_no_edit(message);
      }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    $(".words", message)?.toggleAttribute("hidden", true);
    $("header", message).after(form);
    box.focus();
  }

  do_no_edit(message) {
    $("form.edit", message)?.remove();
    $(".words", message)?.toggleAttribute("hidden", false);
    $('[data-act="edit"]', message)?.focus();
  }

  async #sendEdited(form) {
    const message = form.closest(".message");
    const text = $("textarea", form).value.trim();
    if (!text) return;
    const parent = message.dataset.parent ? Number(message.dataset.parent) : null;
    const response = await post(`${this.room.dataset.page}messages`, {
      text,
      parent,
      model: this.chat.model(),
    });
    if (!response.ok) {
      await this.chat.failed(response);
      return;
    }
    const { reply } = await response.json();
    form.remove();
    await this.chat.show(`${this.room.dataset.page}?at=${reply}`);
  }
}
