// One event connection per browser, whatever the number of tabs: the tab that holds the lock reads
// and passes on. A tab says which conversation it shows and from which position; the server answers
// with how it stands now and with every change from then on, as ready-made HTML.

const LOCK = "sluice-events";
const PATH = "/chat/events";
const AGAIN_MS = 3000;
const TOGETHER_MS = 60;

const channel = new BroadcastChannel(LOCK);
const me = crypto.randomUUID();
const wants = new Map(); // tab -> { conversation, at }
const listeners = new Set();
let mine = null;
let leading = false;
let source = null;
let timer = null;

const deliver = (event) => {
  if (mine && event.c === mine.conversation) mine.at = event.at;
  for (const listener of listeners) listener(event);
};

// --- The leader ---
const address = () => {
  const query = new URLSearchParams();
  for (const [conversation, at] of positions()) query.append("c", `${conversation}~${at}`);
  return `${PATH}?${query}`;
};

const older = (one, other) => {
  const [a, b] = [one, other].map((each) => each.split("-").map(Number));
  return a[0] - b[0] || a[1] - b[1];
};

/** The oldest position at which any tab stands in each conversation. */
const positions = () => {
  const found = new Map();
  for (const { conversation, at } of wants.values()) {
    const known = found.get(conversation);
    if (known === undefined || older(at, known) < 0) found.set(conversation, at);
  }
  return found;
};

const open = () => {
  source?.close();
  source = null;
  if (!wants.size) return;
  source = new EventSource(address());
  source.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    for (const want of wants.values()) if (want.conversation === event.c) want.at = event.at;
    channel.postMessage({ type: "event", event });
    deliver(event);
  });
  source.addEventListener("error", () => {
    // The browser tries again by itself unless it was refused.
    if (source?.readyState === EventSource.CLOSED) soon(AGAIN_MS);
  });
};

const soon = (after = TOGETHER_MS) => {
  if (!leading) return;
  clearTimeout(timer);
  timer = setTimeout(open, after);
};

const lead = () =>
  new Promise(() => {
    leading = true;
    if (mine) wants.set(me, mine);
    channel.postMessage({ type: "who" });
    soon();
  });

// --- Every tab ---
channel.addEventListener("message", ({ data }) => {
  if (data.type === "event") deliver(data.event);
  else if (data.type === "who" && mine) channel.postMessage({ type: "want", tab: me, ...mine });
  else if (data.type === "want" && leading) {
    wants.set(data.tab, { conversation: data.conversation, at: data.at });
    soon();
  } else if (data.type === "bye" && leading) {
    if (wants.delete(data.tab)) soon();
  }
});
addEventListener("pagehide", () => channel.postMessage({ type: "bye", tab: me }));
addEventListener("pageshow", (event) => {
  if (event.persisted && mine) watch(mine.conversation, mine.at);
});

/** Show a conversation from a position on. */
export const watch = (conversation, at) => {
  mine = { conversation, at: at || "0-0" };
  wants.set(me, mine);
  if (leading) soon(0);
  else channel.postMessage({ type: "want", tab: me, ...mine });
};

export const onEvent = (listener) => listeners.add(listener);

navigator.locks.request(LOCK, lead);

/** Ready-made HTML of our own server as elements. */
export const elements = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

const byId = (id) => document.getElementById(id);

const swap = (old, html) => {
  const fresh = elements(html);
  const element = fresh.firstElementChild;
  if (!element) return old.remove();
  if (old.querySelector("form.edit")) return undefined; // somebody edits it here
  element.classList.add("still");
  if (old.querySelector("details[open]")) element.querySelector("details")?.setAttribute("open", "");
  for (const pressed of old.querySelectorAll('[aria-pressed="true"]')) {
    element.querySelector(`[data-act="${pressed.dataset.act}"]`)?.setAttribute("aria-pressed", "true");
  }
  old.replaceWith(element);
  return undefined;
};

customElements.define(
  "chat-live",
  class extends HTMLElement {
    connectedCallback() {
      this.room = this.closest(".chat");
      this.log = byId("log");
      onEvent((event) => this.take(event));
      this.start();
    }

    start() {
      watch(this.room.dataset.conversation, this.room.dataset.position);
    }

    take({ c, at, ops }) {
      if (c !== this.room.dataset.conversation) return;
      for (const [op, ...rest] of ops) this[`on_${op}`]?.(...rest);
      this.room.dataset.position = at;
      this.room.dispatchEvent(new CustomEvent("patched"));
    }

    on_add(parent, id, html) {
      const known = byId(id);
      if (known) return swap(known, html);
      const leaf = this.room.dataset.leaf;
      if (String(parent ?? "") !== leaf) return undefined; // of another branch
      this.log.append(elements(html));
      delete this.room.dataset.empty;
      this.room.dataset.leaf = id.slice(1);
      return undefined;
    }

    on_block(message, html) {
      const tail = byId(`m${message}-tail`);
      if (!tail) return;
      tail.before(elements(html));
      tail.replaceChildren();
    }

    on_tail(message, html) {
      byId(`m${message}-tail`)?.replaceChildren(elements(html));
    }

    on_text(message, text) {
      byId(`m${message}-tail`)?.querySelector("pre code")?.append(text);
    }

    on_body(message, html, tail) {
      const body = byId(`m${message}-body`);
      if (!body) return;
      const open = byId(`m${message}-tail`);
      body.replaceChildren(elements(html), open);
      open.replaceChildren(elements(tail));
    }

    on_drop(id) {
      const gone = byId(id);
      if (!gone) return;
      const parent = gone.dataset.parent ?? "";
      for (const child of this.log.querySelectorAll(`[data-parent="${id.slice(1)}"]`)) child.remove();
      gone.remove();
      if (!byId(`m${this.room.dataset.leaf}`)) this.room.dataset.leaf = parent;
    }

    on_here(html) {
      byId("here")?.replaceChildren(elements(html));
    }

    on_title(text) {
      byId("title").textContent = text;
      document.title = `${text} · Sluice`;
    }

    on_state(message, writing) {
      if (!byId(`m${message}`)) return;
      const { dataset } = this.room;
      if (writing) dataset.writing = message;
      else if (dataset.writing === String(message)) dataset.writing = "";
    }

    on_said(message, word) {
      if (byId(`m${message}`)) this.room.dispatchEvent(new CustomEvent("said", { detail: word }));
    }

    on_typing(user, name) {
      if (user === this.room.dataset.me) return;
      const place = byId("typing");
      place.querySelector("span").textContent = name;
      place.hidden = false;
      clearTimeout(this.quiet);
      this.quiet = setTimeout(() => (place.hidden = true), 4000);
    }

    on_reload() {
      this.room.dispatchEvent(new CustomEvent("stale"));
    }

    on_gone() {
      this.room.dispatchEvent(new CustomEvent("gone"));
    }
  },
);
