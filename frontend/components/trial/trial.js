// Marks every rule of the page that matches the text being tried, each time the answer changes.

const mark = () => {
  const names = document.getElementById("trial")?.dataset.rules ?? "";
  const matched = new Set(names.split(" "));
  for (const rule of document.querySelectorAll("[data-rule]")) {
    rule.toggleAttribute("data-matched", matched.has(rule.dataset.rule));
  }
};

const box = document.querySelector(".try");
if (box) new MutationObserver(mark).observe(box, { childList: true });
