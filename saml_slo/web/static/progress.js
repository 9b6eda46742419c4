// While applications are being told: keep every row's word true, and go on as soon as nobody is waited for.
"use strict";

const hint = document.querySelector("[data-poll]");

async function look() {
  const answer = await fetch(hint.dataset.poll, { headers: { Accept: "application/json" } });
  const receipt = await answer.json();
  const rows = document.querySelectorAll("li.row");
  receipt.sessions.forEach((session, number) => {
    const row = rows[number];
    if (row && row.dataset.state !== session.state) {
      row.dataset.state = session.state;
      row.querySelector(".word").textContent = session.label;
    }
  });
  if (!receipt.busy) location.replace(hint.dataset.next);
}

setInterval(() => look().catch(() => {}), 700);
