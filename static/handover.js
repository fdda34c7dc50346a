// The created page: the value is shown, copied or downloaded here, and nowhere else. It is in one element of
// this page, and leaves it on close, on leaving, on Back, and when its time has run out.
"use strict";

(() => {
  const TICK_MILLISECONDS = 1000;
  const WARN_AT = [10, 60]; // seconds that are left
  const GRANT = "urn:ibm:params:oauth:grant-type:apikey";
  let dialog = null;
  let saved = false; // copied, or the person said that the download arrived
  let downloaded = false; // asked for; the browser or the person may refuse it, and tells the page nothing
  let end = null;
  let before = Infinity; // seconds that were left at the last tick
  let extensions = 0;
  let timer = 0;
  let asker = null; // what had the focus when a question came up
  let testing = false;

  const part = (selector) => dialog.querySelector(selector);
  const parts = (selector) => dialog.querySelectorAll(selector);
  const words = () => part("[data-words]").dataset;
  const lifetime = () => Number(dialog.dataset.lifetime) * 1000;

  // For everybody: in the live region, and where it is seen.
  function say(text, place = part("[data-said]")) {
    part("[data-live]").textContent = text;
    place.textContent = text;
    place.hidden = false;
  }

  function begin(element) {
    dialog = element;
    saved = downloaded = testing = false;
    before = Infinity;
    extensions = Number(dialog.dataset.extensions);
    end = { steady: performance.now() + lifetime(), wall: Date.now() + lifetime() };
    clearInterval(timer);
    timer = setInterval(tick, TICK_MILLISECONDS);
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
    tick();
  }

  function value() {
    return dialog?.querySelector("#value")?.textContent ?? "";
  }

  // The nearer end counts: one clock may stand still while the machine sleeps, the other may be set back.
  function millisecondsLeft() {
    return Math.min(end.steady - performance.now(), end.wall - Date.now());
  }

  // Timers of a tab in the background are late: what is left is read from the clocks each time.
  function tick() {
    if (!value()) return;
    const left = Math.ceil(millisecondsLeft() / 1000);
    if (left <= 0) {
      showEnd();
      return;
    }
    part("[data-left]").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    part("[data-time]").classList.toggle("soon", left <= Math.max(...WARN_AT));
    const passed = WARN_AT.find((seconds) => left <= seconds && seconds < before);
    if (passed) say(`${words()[`left-${passed}`]} ${extensions ? words().more : words().noMore}`);
    before = left;
  }

  function moreTime(form) {
    extensions -= 1;
    end = { steady: end.steady + lifetime(), wall: end.wall + lifetime() };
    // What is still sealed lives as long as this page shows it; the page itself needs no answer.
    const body = new URLSearchParams(new FormData(form));
    fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" }, redirect: "manual" }).catch(() => {});
    if (!extensions) {
      form.hidden = true;
      part("[data-time] p").focus();
    }
    tick();
    say(extensions ? words().extended : `${words().extended} ${words().last}`);
  }

  // Take the value, and what could bring it back, out of the page.
  function empty() {
    clearInterval(timer);
    if (!value()) return;
    part("#value").textContent = "";
    for (const nonce of parts("[name=nonce]")) nonce.value = "";
  }

  // Empty the page and say so, also to somebody who does not see it.
  function showEnd() {
    empty();
    const title = part("h2");
    document.title = document.title.replace(title.textContent, words().ended);
    title.textContent = words().ended;
    for (const element of parts("[data-before-end], [data-ask]")) element.remove();
    for (const element of parts("[data-at-end]")) element.hidden = false;
    dialog.setAttribute("aria-describedby", "created-next");
    title.focus();
    part("[data-live]").textContent = part("#created-next").textContent;
  }

  function leave() {
    if (saved || !value()) {
      // The form tells the server to wipe, too, should the first receipt have been lost; list.js sends it in place.
      const form = part("[data-close-form]");
      const left = new CustomEvent("handover:left", { cancelable: true, detail: { form, key: dialog.dataset.key } });
      if (dispatchEvent(left)) form.submit();
      empty();
      return;
    }
    ask(downloaded ? "downloaded" : "unsaved");
  }

  function ask(which) {
    if (!document.activeElement.closest("[data-ask]")) asker = document.activeElement;
    for (const question of parts("[data-ask]")) question.hidden = question.dataset.ask !== which;
    part("[data-ask]:not([hidden]) [data-stay]").focus();
  }

  function stay() {
    for (const question of parts("[data-ask]")) question.hidden = true;
    asker.focus();
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    tick();
    if (!button.isConnected) { // its time was up
      event.preventDefault();
      return;
    }
    if (button.dataset.show !== undefined) show(!part(".secret").classList.contains("shown"));
    if (button.dataset.copy !== undefined) copyValue(button);
    if (button.dataset.copySample) copySample(button);
    if (button.dataset.test) test(button);
    if (button.dataset.stay !== undefined) stay();
    if (button.dataset.downloadAgain !== undefined) {
      stay();
      download();
    }
    if (button.dataset.leave !== undefined) {
      saved = true;
      leave();
    }
  }

  function onSubmit(event) {
    event.preventDefault();
    tick();
    if (!event.target.isConnected) return; // its time was up
    if (event.target.dataset.closeForm !== undefined) leave();
    if (event.target.dataset.downloadForm !== undefined) download();
    if (event.target.dataset.moreForm !== undefined) moreTime(event.target);
  }

  function show(visible) {
    part(".secret").classList.toggle("shown", visible);
    part("[data-live]").textContent = visible ? words().shown : words().hidden;
  }

  async function copyValue(button) {
    if (await copied(button, part("#value"))) {
      saved = true;
      say(words().copied);
    } else {
      show(true);
      getSelection().selectAllChildren(part("#value")); // not before it is shown
      say(words().select);
    }
  }

  async function copySample(button) {
    const sample = document.getElementById(button.dataset.copySample);
    const place = part(`[data-said-of="${sample.id}"]`);
    if (await copied(button, sample)) {
      part("[data-live]").textContent = words().copied;
      place.hidden = true;
    } else {
      getSelection().selectAllChildren(sample);
      say(words().selectSample, place);
    }
  }

  // Copy a text, and have the button say so. No clipboard on plain http, or no permission: never claim that it was copied.
  async function copied(button, element) {
    try {
      await navigator.clipboard.writeText(element.textContent);
    } catch {
      return false;
    }
    const label = button.querySelector("span");
    label.dataset.before ??= label.textContent;
    label.textContent = words().copied;
    setTimeout(() => { label.textContent = label.dataset.before; }, 2000);
    return true;
  }

  // Exchange the value for an access token, which nobody keeps: without cookies, for the value alone is to prove itself.
  async function test(button) {
    if (testing) return;
    testing = true;
    say(words().testing, part("[data-tested]"));
    const told = await outcome(button.dataset.test);
    testing = false;
    if (button.isConnected) say(told, part("[data-tested]"));
  }

  async function outcome(url) {
    const body = new URLSearchParams({ grant_type: GRANT, apikey: value() });
    const headers = { "Accept-Language": root.lang };
    try {
      const answer = await fetch(url, { method: "POST", body, headers, credentials: "omit", redirect: "error" });
      const found = await answer.json();
      if (!answer.ok) return words().refused.replace("{reason}", () => found.errorMessage);
      return words().works.replace("{name}", () => nameIn(found.access_token));
    } catch {
      return words().noAnswer;
    }
  }

  function nameIn(token) {
    const claims = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(claims, (letter) => letter.charCodeAt(0)))).name;
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
    downloaded = true;
    say(words().downloaded);
  }

  function find() {
    const element = document.querySelector("dialog[data-handover]");
    if (element && element !== dialog) begin(element);
  }

  find();
  addEventListener("htmx:load", find);
  // A person who selects and copies by hand has the value too.
  addEventListener("copy", () => { if (value() && String(getSelection()).includes(value())) saved = true; });
  addEventListener("beforeunload", (event) => { if (value() && !saved) event.preventDefault(); });
  // The bfcache keeps pages for Back, "no-store" or not: the value leaves with the reader.
  addEventListener("pagehide", empty);
  addEventListener("pageshow", (event) => { if (event.persisted && dialog) showEnd(); });
  addEventListener("visibilitychange", () => {
    if (!value()) return;
    if (document.hidden) show(false);
    else tick();
  });
})();
