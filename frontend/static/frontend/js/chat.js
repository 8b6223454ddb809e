// The conversation on this page. It lives here only: it is sent whole with each message, and a
// reload starts anew.

import { $, badge, copyOf, fill, post, slot } from "../../components/frame/dom.js";
import { Lens } from "./lens.js";
import { Prose } from "./prose.js";
import { begin, complete, receiptOf } from "./receipt.js";
import { eventData } from "./sse.js";

const room = $(".chat");
const form = $(".composer");
const box = $("#text");
const log = $("#log");
const scroll = $("#scroll");
const sendButton = $("#send");
const stopButton = $("#stop");
const NEAR_END_PX = 80;
const TITLE_LENGTH = 60;

// What the model has been told and has answered. A refused or failed message is no part of it.
const conversation = [];
let running = null;

const chosenModel = () => $("input[name=model]:checked")?.value ?? "";
const words = () => box.value.trim();
const optionOf = (model) =>
  [...document.querySelectorAll("input[name=model]")].find((input) => input.value === model);

const bodyWith = (text) => ({
  project: room.dataset.project,
  model: chosenModel(),
  messages: [...conversation, { role: "user", content: text }],
});

const lens = new Lens(room.dataset.preview, () => bodyWith(box.value));

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
  $("#jump").hidden = pinned;
};
new ResizeObserver(() => (pinned ? toEnd() : look())).observe(log);

const say = (id) => {
  const live = $("#say");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = copyOf(id).textContent));
};

const ready = () => {
  sendButton.setAttribute("aria-disabled", String(!words() || running !== null));
  sendButton.hidden = running !== null;
  stopButton.hidden = running === null;
};

// --- Adding to the page ---
const addPerson = (text) => {
  const message = copyOf("message-person");
  slot(message, "text").textContent = text;
  log.append(message);
  return message;
};

const refuse = (message, text, { code, reason, ways = [], header }) => {
  const card = copyOf(code === "policy_denied" ? "refusal" : "failure");
  if (code === "policy_denied") slot(card, "badge").replaceChildren(badge("blocked"));
  const another = optionOf(ways.find((way) => way.change === "alias")?.alias);
  fill(card, {
    reason,
    remedy: ways.map((way) => way.action).join(" · "),
    alias: another?.value,
    rules: header("x-sluice-rules"),
    label: [header("x-sluice-sensitivity"), header("x-sluice-categories")].filter(Boolean).join(" · "),
  });
  const takeBack = () => {
    message.remove();
    box.value = text;
    if (!log.children.length) room.dataset.empty = "";
    ready();
    lens.soon();
    box.focus();
  };
  slot(card, "edit").addEventListener("click", takeBack);
  slot(card, "resend")?.addEventListener("click", () => {
    takeBack();
    choose(another);
    send();
  });
  message.classList.add("refused");
  message.append(card);
  say(code === "policy_denied" ? "say-refused" : "say-failed");
};

// A denial's message ends with what would help; here that gets a line of its own.
const REMEDY = "What would allow it:";

const problemOf = async (response) => {
  const { error } = await response.json().catch(() => ({}));
  const [reason] = (error?.message ?? form.dataset.unreachable).split(REMEDY);
  return {
    code: error?.code ?? "",
    reason: reason.trim(),
    ways: error?.suggestions ?? [],
    header: (name) => response.headers.get(name),
  };
};

// --- One reply ---
const read = async (response, reply) => {
  const prose = new Prose(slot(reply, "text"));
  let text = "";
  let usage = null;
  let problem = null;
  let frame = 0;
  const paint = () => {
    frame = 0;
    prose.show(text);
  };
  const result = () => {
    cancelAnimationFrame(frame);
    paint();
    return { text, usage, problem };
  };
  try {
    for await (const data of eventData(response.body)) {
      if (data === "[DONE]") break;
      const event = JSON.parse(data);
      usage = event.usage ?? usage;
      problem = event.error?.message ?? problem;
      text += event.choices?.[0]?.delta?.content ?? "";
      frame ||= requestAnimationFrame(paint);
    }
  } catch (cause) {
    if (cause.name !== "AbortError") problem = form.dataset.interrupted;
    else problem = form.dataset.stopped;
  }
  return result();
};

const converse = async (text, message, abort) => {
  const began = performance.now();
  const response = await post(room.dataset.send, bodyWith(text), abort.signal);
  if (!response.ok) {
    refuse(message, text, await problemOf(response));
    return;
  }
  const receipt = receiptOf(response.headers);
  const reply = copyOf("message-reply");
  const footer = slot(reply, "receipt");
  begin(footer, receipt);
  log.append(reply);
  const { text: answer, usage, problem } = await read(response, reply);
  conversation.push({ role: "user", content: text });
  if (answer) conversation.push({ role: "assistant", content: answer });
  const seconds = (performance.now() - began) / 1000;
  complete(footer, receipt, { usage, seconds, text: answer });
  fill(footer, { problem });
  delete reply.dataset.live;
  say(problem ? "say-interrupted" : "say-complete");
};

const send = async () => {
  const text = words();
  if (!text || running) return;
  const abort = (running = new AbortController());
  delete room.dataset.empty;
  if (!log.children.length) $("#title").textContent = text.slice(0, TITLE_LENGTH);
  const message = addPerson(text);
  box.value = "";
  ready();
  toEnd();
  try {
    await converse(text, message, abort);
  } catch (cause) {
    const stopped = cause.name === "AbortError";
    const reason = stopped ? form.dataset.stopped : form.dataset.unreachable;
    refuse(message, text, { code: "", reason, header: () => null });
  } finally {
    running = null;
    ready();
    lens.now();
  }
};

// --- What people do ---
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
stopButton.addEventListener("click", () => {
  running?.abort();
  box.focus();
});
box.addEventListener("input", () => {
  ready();
  lens.soon();
});
box.addEventListener("keydown", (event) => {
  // On a touch keyboard Enter is a new line: there is a Send button under the thumb.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  if (matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  send();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !$("[popover]:popover-open:not(.rail)")) running.abort();
});
scroll.addEventListener("scroll", look, { passive: true });
$("#jump").addEventListener("click", toEnd);

// --- The model: remembered by name, which is no content ---
const memory = `sluice.model.${room.dataset.project}`;
const models = $("#models");
const showModel = () => ($("#pick span").textContent = chosenModel());
const choose = (option) => {
  option.checked = true;
  localStorage.setItem(memory, option.value);
  showModel();
  lens.now();
};
models.addEventListener("change", (event) => choose(event.target));
models.addEventListener("click", (event) => {
  // A pointer's click chooses and closes; arrow keys (which also click radios) keep it open.
  if (event.detail > 0 && event.target.closest(".option")) setTimeout(() => models.hidePopover(), 90);
});
models.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // else the button that gets the focus back is pressed by the same key
  models.hidePopover();
});
models.addEventListener("toggle", (event) => {
  if (event.newState === "open") $("input:checked", models)?.focus();
});

const remembered = optionOf(localStorage.getItem(memory));
if (remembered) remembered.checked = true;
$("#example")?.addEventListener("click", (event) => {
  box.value = event.currentTarget.dataset.text;
  ready();
  lens.now();
  box.focus();
});
showModel();
ready();
lens.now();
