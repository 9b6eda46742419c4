// While applications are being told: keep every row true without moving the page, and go on when nobody is waited for.
// The server says what is true by rendering the page; this only puts the new pieces where the old ones stand.
"use strict";

const PAUSE = 700; // milliseconds between two looks
const live = document.querySelector("[data-live]");

// Some applications cannot answer: when their page has come to rest in its frame, nobody need wait for it any longer.
// Our own pages in a frame can be looked into, theirs cannot.
function tell(frame) {
  if (frame.contentDocument !== null) return;
  const body = new URLSearchParams({ target: frame.dataset.told });
  fetch(`${live.dataset.live}/loaded`, { method: "POST", body }).catch(() => {}); // its time ends without us as well
}

// Without a script a frame takes a second to begin (see the page); with one it need not.
for (const frame of document.querySelectorAll("iframe")) {
  if (frame.dataset.told) frame.addEventListener("load", () => tell(frame));
  frame.removeAttribute("srcdoc");
}

// Forms submit themselves when there is a script, so nobody has to see them.
for (const forms of document.querySelectorAll(".forms")) {
  forms.classList.add("unseen");
  forms.inert = true;
}

function isReading() {
  const held = document.activeElement.matches("a, button, summary");
  return held || document.querySelector("details[open]") !== null || !getSelection().isCollapsed;
}

// Put a fresh piece in the place of an old one that differs; tell whether the focus was in it.
function renew(place, fresh, piece) {
  const [old, young] = [place.querySelector(piece), fresh.querySelector(piece)];
  if (old.isEqualNode(young)) return false;
  const held = old.contains(document.activeElement);
  old.replaceWith(young);
  return held;
}

function renewRow(row, fresh) {
  const pieces = [".mark", ".word", ".news", "dl"];
  const held = pieces.map((piece) => renew(row, fresh, piece)).includes(true);
  row.className = fresh.className;
  row.dataset.state = fresh.dataset.state;
  if (held) {
    // The button that had the focus is gone: the reader stays with this session.
    const heading = row.querySelector("h2");
    heading.tabIndex = -1;
    heading.focus();
  }
}

function renewHeading(fresh) {
  const [old, young] = [document, fresh].map((page) => page.querySelector("main > header"));
  old.className = young.className;
  renew(old, young, ".badge");
  const [said, news] = [old, young].map((header) => header.querySelector("h1"));
  if (said.textContent !== news.textContent) said.replaceChildren(...news.childNodes);
  document.title = fresh.title;
}

async function look() {
  const answer = await fetch(live.dataset.live, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  tellTimes(fresh);
  renewHeading(fresh);
  const rows = fresh.querySelectorAll("li.row");
  document.querySelectorAll("li.row").forEach((row, number) => renewRow(row, rows[number]));
  const now = fresh.querySelector("[data-live]");
  if (now) {
    live.textContent = now.textContent;
    return;
  }
  // Nobody is waited for any more. Somebody who reads is not interrupted, unless the browser has somewhere to go.
  const next = `${live.dataset.live}/next`;
  if (fresh.querySelector(`.actions a[href="${next}"]`) || !isReading()) location.replace(next);
}

(async () => {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    await look().catch(() => {}); // the server is away for a moment: look again
  }
})();
