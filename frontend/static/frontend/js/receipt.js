// After sending: what the gateway says it did. Taken from its response headers and from the count
// of tokens that came with the stream; never from what a model wrote.

import { badge, copyText, fill, slot } from "../../components/frame/dom.js";

const words = (text) => (text ?? "").split(",").map((word) => word.trim()).filter(Boolean);

/** What the response headers say. */
export const receiptOf = (headers) => ({
  decision: headers.get("x-sluice-decision"),
  request: headers.get("x-request-id"),
  deployment: headers.get("x-sluice-deployment"),
  zone: headers.get("x-sluice-zone"),
  sensitivity: headers.get("x-sluice-sensitivity"),
  categories: words(headers.get("x-sluice-categories")),
  rules: words(headers.get("x-sluice-rules")),
  masked: Number(headers.get("x-sluice-masked") ?? 0),
});

const badgeOf = ({ zone, masked }) => {
  if (zone === "on_prem") return "on_prem";
  if (masked > 0) return "masked";
  return zone === "private_cloud" ? "private_cloud" : "cloud";
};

/** The first line, known as soon as the reply begins. */
export const begin = (footer, receipt) => {
  slot(footer, "badge").replaceChildren(badge(badgeOf(receipt)));
  slot(footer, "badge-done").replaceChildren(badge(badgeOf(receipt)));
  fill(footer, { deployment: receipt.deployment, writing: receipt.deployment });
};

/** The whole receipt, once the reply is complete. `seconds` is what the reader waited. */
export const complete = (footer, receipt, { usage, seconds, text }) => {
  slot(footer, "live").hidden = true;
  slot(footer, "done").hidden = false;
  fill(footer, {
    in: usage?.prompt_tokens ?? null,
    out: usage?.completion_tokens ?? null,
    masked: receipt.masked || null,
    seconds: seconds.toFixed(1),
    label: [receipt.sensitivity, ...receipt.categories].filter(Boolean).join(" · "),
    rules: receipt.rules.join(", "),
    decision: receipt.decision,
    request: receipt.request,
  });
  slot(footer, "nothing-masked").hidden = receipt.masked > 0;
  slot(footer, "no-rule").hidden = receipt.rules.length > 0;
  slot(footer, "copy").addEventListener("click", (event) => copyText(event.currentTarget, text));
};
