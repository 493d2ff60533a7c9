/** A letter presses what names it in aria-keyshortcuts, unless somebody is typing. */

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("input, textarea, select")) return;
  const key = event.key.toUpperCase();
  if (!/^[A-Z]$/.test(key)) return;
  const wanted = /** @type {HTMLElement | null} */ (document.querySelector(`[aria-keyshortcuts="${key}"]`));
  if (!wanted) return;
  event.preventDefault();
  wanted.click();
});
