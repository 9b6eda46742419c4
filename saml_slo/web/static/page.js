// What a receipt and an error page can do better with a script; without it nothing is missing.
"use strict";

// Times in the reader's own zone; the words around them are English.
const language = navigator.language.startsWith("en") ? navigator.language : "en-GB";
function tellTimes(page) {
  for (const time of page.querySelectorAll("time")) {
    time.title = time.textContent;
    const moment = new Date(time.dateTime);
    const soon = "clock" in time.dataset && moment.toDateString() === new Date().toDateString();
    const how = soon ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "clock" in time.dataset ? "short" : "long" };
    time.textContent = moment.toLocaleString(language, how);
  }
}
tellTimes(document);

// The reference code into the clipboard, where the browser lets us.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const told = document.querySelector("[data-copied]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      told.textContent = "Copied";
    } catch {
      told.textContent = "Please copy it by hand";
    }
  });
}

// Somebody signs out at a page that opens in a window of its own: this one shows what became of it.
for (const form of document.querySelectorAll("form[target=_blank]")) {
  form.addEventListener("submit", () => setTimeout(() => location.reload(), 1500));
}

// A logout that is under way: look again, but never under somebody who reads the details, marks text or holds a control.
const waiting = document.querySelector("[data-refresh]");
if (waiting) {
  setInterval(() => {
    const held = document.activeElement.matches("a, button, summary");
    if (!held && !document.querySelector("details[open]") && getSelection().isCollapsed) location.reload();
  }, waiting.dataset.refresh * 1000);
}
