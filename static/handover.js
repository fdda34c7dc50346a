// The created page: the value is shown, copied or downloaded here, and nowhere else. It is in one element of
// this page, and leaves it on close, on leaving, on Back, and when its time has run out.
"use strict";

(() => {
  let dialog = null;
  let saved = false;
  let timer = 0;

  const part = (selector) => dialog.querySelector(selector);
  const words = () => part("[data-words]").dataset;

  function say(text) {
    part("[data-live]").textContent = text;
    part("[data-said]").textContent = text;
  }

  function begin(element) {
    dialog = element;
    saved = false;
    timer = setTimeout(wipe, Number(dialog.dataset.lifetime) * 1000);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      leave();
    });
    dialog.addEventListener("close", () => {
      if (dialog) dialog.showModal(); // a browser may close on the second Esc, whatever "cancel" says
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      leave();
    });
    dialog.addEventListener("click", onClick);
    dialog.addEventListener("submit", onSubmit);
  }

  function value() {
    return dialog?.querySelector("#value")?.textContent ?? "";
  }

  // Take the value out of the page; what is left says so.
  function wipe() {
    clearTimeout(timer);
    if (!dialog || !value()) return;
    part("#value").textContent = "";
    part("[data-once]").remove();
    part("[data-download-form]").remove();
    part("[data-ask]").hidden = true;
    part(".msg--warning").hidden = true;
    part("[data-wiped]").hidden = false;
    for (const nonce of dialog.querySelectorAll("[name=nonce]")) nonce.value = "";
    saved = true;
  }

  function leave() {
    if (saved || !value()) {
      part("[data-close-form]").submit(); // tells the server to wipe, too, should the first receipt have been lost
      wipe();
      dialog = null;
      dispatchEvent(new Event("handover:left"));
      return;
    }
    const ask = part("[data-ask]");
    ask.hidden = false;
    part("[data-stay]").focus();
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.show !== undefined) show(!part(".secret").classList.contains("shown"));
    if (button.dataset.copy !== undefined) copy(button);
    if (button.dataset.stay !== undefined) {
      part("[data-ask]").hidden = true;
      part("[data-show]").focus();
    }
    if (button.dataset.leave !== undefined) {
      saved = true;
      leave();
    }
  }

  function onSubmit(event) {
    event.preventDefault();
    if (event.target.dataset.closeForm !== undefined) leave();
    if (event.target.dataset.downloadForm !== undefined) download();
  }

  function show(visible) {
    part(".secret").classList.toggle("shown", visible);
    part("[data-live]").textContent = visible ? words().shown : words().hidden;
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(value());
    } catch {
      // No clipboard on plain http, or no permission: never claim that it was copied.
      show(true);
      getSelection().selectAllChildren(part("#value"));
      say(words().select);
      return;
    }
    saved = true;
    say(words().copied);
    const label = button.querySelector("span");
    const before = label.textContent;
    label.textContent = words().copied;
    setTimeout(() => { label.textContent = before; }, 2000);
  }

  function download() {
    const { name, description, createdAt } = dialog.dataset;
    const file = JSON.stringify({ name, description, createdAt, apikey: value() }, null, "\t") + "\n";
    const url = URL.createObjectURL(new Blob([file], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "apikey.json";
    dialog.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    saved = true;
    say(words().downloaded);
  }

  function find() {
    const element = document.querySelector("dialog[data-handover]");
    if (element && element !== dialog) begin(element);
  }

  find();
  addEventListener("htmx:load", find);
  // A person who selects and copies by hand has the value too.
  addEventListener("copy", () => { if (dialog && String(getSelection()).includes(value()) && value()) saved = true; });
  addEventListener("beforeunload", (event) => { if (dialog && value() && !saved) event.preventDefault(); });
  // Browsers keep pages for Back, "no-store" or not: the value leaves with the reader.
  addEventListener("pagehide", wipe);
  addEventListener("pageshow", (event) => { if (event.persisted) wipe(); });
  addEventListener("visibilitychange", () => { if (document.hidden && value()) show(false); });
})();
