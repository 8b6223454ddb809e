// The composer: words, files, Enter to send.

import { $, csrfToken } from "../frame/dom.js";
import { elements } from "../live/live.js";

export class Composer {
  /** `chat`: { room, send(text), changed(), typed(), problem(text) } */
  constructor(chat) {
    this.chat = chat;
    this.form = $(".composer");
    this.box = $("#text");
    this.files = $("#files");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      chat.send(this.text);
    });
    this.box.addEventListener("input", () => chat.typed());
    this.box.addEventListener("keydown", (event) => {
      // On a touch keyboard Enter is a new line: there is a Send button under the thumb.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      if (matchMedia("(pointer: coarse)").matches) return;
      event.preventDefault();
      chat.send(this.text);
    });
    this.#attaching();
  }

  get text() {
    return this.box.value.trim();
  }

  get attachments() {
    return [...this.files.querySelectorAll("[data-file]")].map((each) => each.dataset.file);
  }

  get empty() {
    return !this.text && !this.attachments.length;
  }

  clear() {
    this.box.value = "";
    this.files.replaceChildren();
  }

  /** Put words into the box, to go on from there. */
  take(text) {
    this.box.value = text;
    this.box.focus();
    this.chat.changed();
  }

  #attaching() {
    const input = $("#file");
    $("#clip").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      for (const file of input.files) this.#upload(file);
      input.value = "";
    });
    for (const name of ["dragover", "drop", "dragleave"]) {
      this.form.addEventListener(name, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        this.form.toggleAttribute("data-over", name === "dragover");
        if (name === "drop") for (const file of event.dataTransfer.files) this.#upload(file);
      });
    }
    this.box.addEventListener("paste", (event) => {
      for (const file of event.clipboardData?.files ?? []) this.#upload(file);
    });
    this.files.addEventListener("click", (event) => {
      const button = event.target.closest("[data-drop]");
      if (!button) return;
      this.#post(`/files/${button.dataset.drop}/drop`);
      button.parentElement.remove();
      this.box.focus();
      this.chat.changed();
    });
  }

  #post(address, body) {
    const headers = { "X-CSRFToken": csrfToken() };
    return fetch(address, { method: "POST", credentials: "same-origin", headers, body });
  }

  /** One after the other, so that they stand in the order in which they were chosen. */
  #upload(file) {
    this.uploading = (this.uploading ?? Promise.resolve()).then(() => this.#uploadNow(file));
  }

  async #uploadNow(file) {
    const body = new FormData();
    body.append("file", file);
    try {
      const response = await this.#post(this.chat.room.dataset.upload, body);
      const answer = await response.json();
      if (!response.ok) {
        this.chat.problem(answer.error.message);
        return;
      }
      const card = document.createElement("span");
      card.append(elements(answer.html));
      this.files.append(card);
    } catch {
      this.chat.problem(this.form.dataset.unreachable);
    }
    this.chat.changed();
  }
}
