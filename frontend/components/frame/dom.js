// What every module shares: copies of the page's own templates, filled with text and never with
// markup. All words that people read stand in the templates, so that they are translated once.

export const $ = (selector, root = document) => root.querySelector(selector);

/** A copy of <template id="…">'s only element. */
export const copyOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** The element marked data-slot="name" inside (or at) `root`. */
export const slot = (root, name) =>
  root.matches(`[data-slot="${name}"]`) ? root : root.querySelector(`[data-slot="${name}"]`);

/** Put text into slots; null or "" hides the slot instead (and what it stands in, if
 * `data-with`). A slot that this copy lacks is passed over. */
export const fill = (root, values) => {
  for (const [name, value] of Object.entries(values)) {
    const place = slot(root, name);
    if (!place) continue;
    const missing = value === null || value === undefined || value === "";
    if (!missing) place.textContent = value;
    (place.closest("[data-with]") ?? place).hidden = missing;
  }
  return root;
};

export const badge = (kind) => copyOf(`badge-${kind}`);

export const csrfToken = () => $("[name=csrfmiddlewaretoken]").value;

/** POST JSON to one of our own addresses. */
export const post = (address, body, signal) =>
  fetch(address, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: JSON.stringify(body),
    signal,
  });

/** Copy text and show on the button for a moment that it was done. */
export const copyText = async (button, text) => {
  await navigator.clipboard.writeText(text);
  button.dataset.done = "";
  setTimeout(() => delete button.dataset.done, 1600);
};
