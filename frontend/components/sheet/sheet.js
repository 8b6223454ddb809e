// Column chips: a click puts {{column}} where the cursor stands in the prompt.

document.addEventListener("click", (event) => {
  const chip = event.target.closest?.("[data-insert]");
  if (!chip) return;
  const prompt = document.getElementById("id_template");
  prompt.setRangeText(chip.dataset.insert, prompt.selectionStart, prompt.selectionEnd, "end");
  prompt.focus();
});
