// The chat page: joins the composer, the lens, the list of models, and the live conversation.

import { $, copyOf, post } from "../frame/dom.js";
import { Composer } from "../composer/composer.js";
import { Lens } from "../lens/lens.js";
import { watch } from "../live/live.js";
import { Messages } from "../message/message.js";
import { Picker } from "../picker/picker.js";

const room = $(".chat");
const scroll = $("#scroll");
const log = $("#log");
const NEAR_END_PX = 80;
const TYPING_MS = 2500;

// --- Scrolling: follow only a reader who is at the end ---
let pinned = true;
let lastTop = 0;
const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END_PX;
const toEnd = () => {
  pinned = true;
  scroll.scrollTop = scroll.scrollHeight;
};
const look = () => {
  // Content that grows leaves scrollTop where it was; only a reader moves it up.
  if (scroll.scrollTop < lastTop) pinned = false;
  if (atEnd()) pinned = true;
  lastTop = scroll.scrollTop;
  if ($("#jump")) $("#jump").hidden = pinned;
};
new ResizeObserver(() => (pinned ? toEnd() : look())).observe(log);
scroll.addEventListener("scroll", look, { passive: true });
$("#jump")?.addEventListener("click", toEnd);

const say = (word) => {
  const live = $("#say");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = copyOf(`say-${word}`).textContent));
};

const problem = (text) => {
  const place = $("#problem");
  place.textContent = text;
  place.hidden = !text;
};

const failed = async (response) => {
  const { error } = await response.json().catch(() => ({}));
  problem(error?.message ?? $(".composer").dataset.unreachable);
};

// --- Another branch, or all of it anew: the server's page says how it stands ---
const show = async (address) => {
  const response = await fetch(address, { credentials: "same-origin" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector(".chat");
  log.replaceChildren(...page.querySelector("#log").childNodes);
  for (const name of ["leaf", "writing", "position"]) room.dataset[name] = fresh.dataset[name] ?? "";
  for (const message of log.querySelectorAll(".message")) message.classList.add("still");
  globalThis.htmx?.process(log);
  history.replaceState(null, "", address);
  messages?.felt();
  ready();
  watch(room.dataset.conversation, room.dataset.position);
};

const pageNow = () => `${room.dataset.page}${room.dataset.leaf ? `?at=${room.dataset.leaf}` : ""}`;

let composer = null;
let lens = null;
let messages = null;
let sending = false;
let typedAt = -Infinity;

const ready = () => {
  if (!composer) return;
  const writing = Boolean(room.dataset.writing);
  const waits = composer.empty || sending || writing;
  $("#send").setAttribute("aria-disabled", String(waits));
  $("#send").hidden = writing;
  $("#stop").hidden = !writing;
};

const leaf = () => (room.dataset.leaf ? Number(room.dataset.leaf) : null);

// --- System prompt and parameters before the first message ---
const start = $("#start");
const FIELDS = ["system", "temperature", "top_p", "max_tokens"];
const settings = () =>
  start && Object.fromEntries(FIELDS.map((name) => [name, start.elements[name].value]));
const showSet = () => ($("#set").hidden = !Object.values(settings()).some(Boolean));

const draft = () => ({
  project: room.dataset.project,
  conversation: room.dataset.conversation,
  parent: leaf(),
  prompt: room.dataset.prompt ? Number(room.dataset.prompt) : null,
  settings: settings(),
  model: picker.value,
  attachments: composer.attachments,
});

const send = async (text) => {
  if ((!text && composer.empty) || sending || room.dataset.writing) return;
  sending = true;
  problem("");
  ready();
  try {
    const started = !room.dataset.conversation;
    const address = started ? room.dataset.start : `${room.dataset.page}messages`;
    const body = { ...draft(), text, temporary: "temporary" in room.dataset };
    const response = await post(address, body);
    if (!response.ok) {
      await failed(response);
      return;
    }
    const made = await response.json();
    composer.clear();
    if (started) {
      location.assign(`/c/${made.conversation}/`);
      return;
    }
    // What was told by events meanwhile holds: a refusal may be there before this answer is.
    const shown = $(`#m${made.reply}`);
    if (!shown || "live" in shown.dataset) room.dataset.writing = made.reply;
    toEnd();
  } catch {
    problem($(".composer").dataset.unreachable);
  } finally {
    sending = false;
    ready();
    lens.now();
  }
};

const stop = () => {
  const { writing, page } = room.dataset;
  if (writing) post(`${page}messages/${writing}/stop`, {});
  composer?.box.focus();
};

const changed = () => {
  ready();
  lens.soon();
};

const typed = () => {
  changed();
  if (!room.dataset.conversation || performance.now() - typedAt < TYPING_MS) return;
  typedAt = performance.now();
  post(`${room.dataset.page}typing`, {}).catch(() => {});
};

const chat = {
  room,
  say,
  show,
  send,
  failed,
  problem,
  changed,
  typed,
  model: () => picker?.value ?? "",
  choose: (name) => picker?.choose(name),
  pickModel: (answer) => picker?.ask(answer),
};

let picker = null;
if ($(".composer")) {
  composer = chat.composer = new Composer(chat);
  picker = new Picker(room, () => lens?.now());
  lens = new Lens(room.dataset.preview, draft, picker);
  $("#stop").addEventListener("click", stop);
}
if (room.dataset.conversation) messages = new Messages(chat);

// --- What the live conversation tells ---
room.addEventListener("patched", () => {
  ready();
  if (pinned) toEnd();
});
room.addEventListener("said", (event) => {
  say(event.detail);
  lens?.now();
});
room.addEventListener("stale", () => show(pageNow()));
room.addEventListener("gone", () => {
  say("gone");
  location.assign("/");
});

// --- A prompt with variables: the composer shows it filled in ---
const fill = $("#fill");
if (fill && composer) {
  const filled = () =>
    fill.dataset.text.replace(/\{\{\s*([^\s{}][^{}]{0,59}?)\s*\}\}/g, (whole, name) => {
      const field = [...fill.querySelectorAll("[data-variable]")].find(
        (each) => each.dataset.variable === name,
      );
      return field?.value || whole;
    });
  const write = () => {
    composer.box.value = filled();
    changed();
  };
  fill.addEventListener("input", write);
  fill.addEventListener("submit", (event) => {
    event.preventDefault();
    composer.box.focus();
  });
  write();
  $("[data-variable]", fill)?.focus();
}
if (start && composer) {
  start.addEventListener("input", () => {
    showSet();
    changed();
  });
  start.addEventListener("submit", (event) => {
    event.preventDefault();
    $("#options").hidePopover();
    composer.box.focus();
  });
  showSet();
}
$("#example")?.addEventListener("click", (event) => composer.take(event.currentTarget.dataset.text));

// --- Keys ---
const between = (step) => {
  const all = [...log.querySelectorAll(".message")];
  const at = all.indexOf(document.activeElement?.closest?.(".message"));
  const next = at < 0 ? all.at(-1) : all[Math.min(Math.max(at + step, 0), all.length - 1)];
  if (!next) return;
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};
const lastOwn = () =>
  [...log.querySelectorAll(`.person[data-author="${room.dataset.me}"]`)].at(-1);
const KEYS = {
  "/": () => composer?.box.focus(),
  m: () => $("#models")?.showPopover(),
  l: () => $("#why")?.showPopover(),
  j: () => between(1),
  k: () => between(-1),
  e: () => lastOwn() && messages?.do_edit(lastOwn()),
  c: () => [...log.querySelectorAll('.reply [data-act="copy"]')].at(-1)?.click(),
  r: () => [...log.querySelectorAll('.reply [data-act="again"]')].at(-1)?.click(),
  s: () => $("#share")?.showPopover(),
  o: () => $("#options")?.showPopover(),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && room.dataset.writing && !$("[popover]:popover-open:not(.rail)")) stop();
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

if (location.hash === "#share") $("#share")?.showPopover();
toEnd();
ready();
lens?.now();
