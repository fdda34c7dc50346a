// Progressive enhancement: every page and form works without this file. No inline code, no eval (strict CSP).
"use strict";

const root = document.documentElement;
root.classList.add("js");

// Dialogs: the server sends <dialog open> with a link out of it; script makes it modal.

const slot = () => document.getElementById("dialog-slot");
let opener = null;

// The button of a menu.
function openerOf(menu) {
  return document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
}

function enhance(tree) {
  for (const button of tree.querySelectorAll("[data-js]")) button.hidden = false;
  for (const dialog of tree.querySelectorAll("dialog.modal[open]:not(:modal)")) openModal(dialog);
}

function openModal(dialog) {
  const shell = document.querySelector("[data-shell]");
  if (shell) shell.inert = false; // a modal makes the rest inert by itself
  dialog.open = false; // not close(): that would fire "close"
  dialog.showModal();
  if (!dialog.querySelector("[autofocus]")) dialog.querySelector("h2")?.focus();
  dialog.querySelector("[aria-invalid=true]")?.focus();
  if (dialog.dataset.handover !== undefined) return; // handover.js guards its own way out
  dialog.addEventListener("close", () => leaveDialog(dialog));
}

// A dialog that was opened over a list goes away; one that is a page of its own leads to its list.
function leaveDialog(dialog) {
  if (root.dataset.dialogIsPage !== undefined) {
    const out = dialog.querySelector("[data-close]");
    if (out) location.assign(out.href);
    wait();
    return;
  }
  dialog.remove();
  if (opener) refocus(opener);
  if (dialog.dataset.listIsOld !== undefined) dispatchEvent(new Event("list:old"));
}

// Focus what had it; where that was drawn anew, what is in its place.
function refocus(element) {
  (element.isConnected ? element : document.getElementById(element.id))?.focus();
}

if (document.querySelector("dialog.modal[open]")) root.dataset.dialogIsPage = "";
enhance(document);

addEventListener("htmx:load", (event) => enhance(event.target.parentNode ?? document));

addEventListener("click", (event) => {
  const target = event.target.closest("[data-dismiss],[data-reveal],[data-close]");
  if (!target) return;
  if (target.dataset.dismiss !== undefined) dismiss(target.closest(".msg"));
  if (target.dataset.reveal) reveal(target);
  if (target.dataset.close !== undefined && target.closest("dialog:modal")) {
    event.preventDefault();
    target.closest("dialog").close();
  }
});

// Messages: one that is dismissed gives the focus back to what had it before.

let beforeMessages = null;

addEventListener("focusin", ({ target, relatedTarget: before }) => {
  if (target.closest(".toasts") && before && !before.closest(".toasts")) beforeMessages = before;
});

function dismiss(message) {
  const hadFocus = message.contains(document.activeElement);
  message.remove();
  if (!hadFocus) return;
  if (beforeMessages) refocus(beforeMessages);
  if (document.activeElement === document.body) document.getElementById("main")?.focus();
}

// Escape dismisses the newest message, where it has nothing else to close or to empty.
addEventListener("keydown", ({ key, repeat, target }) => {
  if (key !== "Escape" || repeat || document.querySelector("dialog:modal, .menu:popover-open")) return;
  if (target.matches("[type=search]:not(:placeholder-shown)")) return;
  const buttons = document.querySelectorAll(".toasts [data-dismiss]");
  if (buttons.length) dismiss([...buttons].at(-1).closest(".msg"));
});

// What asks for a dialog gets the focus back, of a form its button; what asks in a dialog has no place of its own.
addEventListener("htmx:beforeRequest", ({ detail: { elt, target, requestConfig } }) => {
  if (target !== slot() || elt.closest("dialog")) return;
  const menu = elt.closest("[popover]");
  opener = menu ? openerOf(menu) : requestConfig.triggeringEvent?.submitter ?? elt;
  if (menu) menu.hidePopover();
});

function reveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  const show = input.type === "password";
  input.type = show ? "text" : "password";
  button.setAttribute("aria-pressed", String(show));
}

// A password that was made visible is hidden again before the browser may offer to remember it as text.
addEventListener("submit", () => {
  for (const button of document.querySelectorAll("[data-reveal][aria-pressed=true]")) reveal(button);
});

// Failures under htmx: words of the server where it sent some, ours where it did not answer. They come into view, and
// the focus stays where it is.

function problemPlace() {
  return document.querySelector("dialog:modal [data-problem]") ?? document.getElementById("problem");
}

addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400) {
    // What a person asks for ends an older message, what the page asks for itself does not.
    if (event.detail.requestConfig.triggeringEvent) problemPlace()?.replaceChildren();
    return;
  }
  const words = xhr.getResponseHeader("HX-Retarget") === "#problem";
  if (words) event.detail.target = problemPlace();
  else if (!/^<dialog/.test(xhr.responseText.trim())) {
    event.detail.shouldSwap = false; // an error page of somebody else, a proxy perhaps
    sayNoAnswer(event);
  }
});

function sayNoAnswer({ detail }) {
  const words = document.getElementById("network-problem").content.cloneNode(true);
  const fields = detail.requestConfig.elt.closest("form")?.querySelectorAll("input:not([type=hidden]), textarea") ?? [];
  if (![...fields].some((field) => field.value)) words.querySelector("[data-typed]").remove();
  problemPlace().replaceChildren(words);
  showProblem(problemPlace());
}

function showProblem(place) {
  place.scrollIntoView({ block: "nearest" });
}

addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.matches("#problem, [data-problem]")) showProblem(target);
});

for (const name of ["htmx:sendError", "htmx:timeout"]) addEventListener(name, sayNoAnswer);

// How far something is, said now and then: a screen reader would not come to the end of every piece.

const SAY_PROGRESS_MILLISECONDS = 5000;
let progressSaid = -Infinity;

addEventListener("htmx:afterSettle", ({ target, timeStamp }) => {
  const bar = target.querySelector("progress");
  if (!bar || timeStamp < progressSaid + SAY_PROGRESS_MILLISECONDS) return;
  progressSaid = timeStamp;
  bar.closest("dialog").querySelector(":scope > [role=status]").textContent = bar.labels[0].textContent.trim();
});

// Waiting: a moment after something was asked for, the page that is still here says so.

const WAIT_MILLISECONDS = 700;
let waiting = 0;
let announced = null;

function wait() {
  arrived();
  waiting = setTimeout(() => {
    const words = document.getElementById("waiting");
    words.showPopover(); // above a dialog, too
    // What is outside of a modal dialog is read to nobody.
    announced = document.querySelector("dialog:modal > [role=status]") ?? document.getElementById("live");
    announced.textContent = waitingWords();
  }, WAIT_MILLISECONDS);
}

function waitingWords() {
  return document.getElementById("waiting").textContent.trim();
}

function arrived() {
  clearTimeout(waiting);
  document.getElementById("waiting").hidePopover();
  if (announced?.textContent === waitingWords()) announced.textContent = ""; // else there is news since
  announced = null;
}

// At the window, after everybody who may have other plans with the click or the form.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const goes = link && !link.target && !link.hash && !link.hasAttribute("download") && link.origin === location.origin;
  if (goes && !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.shiftKey) wait();
});
addEventListener("submit", (event) => { if (!event.defaultPrevented && !event.target.target) wait(); });
for (const name of ["htmx:beforeRequest", "handover:left"]) addEventListener(name, wait);
addEventListener("htmx:afterRequest", (event) => {
  const goes = event.detail.xhr.getResponseHeader("HX-Redirect"); // a page on its way
  if (goes) wait();
  else arrived();
});
addEventListener("pageshow", arrived);
addEventListener("keydown", (event) => { if (event.key === "Escape") arrived(); }); // stops a page on its way

// A text of the list of which not all is shown: a pointer shows it.
addEventListener("pointerover", ({ target }) => {
  const text = target.closest?.(".table .clamp");
  if (text && text.scrollHeight > text.clientHeight) text.title = text.textContent;
});

// The log-in tells the time zone of the browser; it is kept with an account that has none.
for (const field of document.querySelectorAll("[data-time-zone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

// The code of a link stands behind the "#", which no browser sends: it leaves the address, and is sent as its form is.
function takeCode() {
  const field = document.querySelector("[data-from-fragment]");
  if (!field || location.hash.length < 2) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  field.form.requestSubmit();
}
addEventListener("DOMContentLoaded", takeCode); // not before all scripts have run: a page that is left begins none
addEventListener("hashchange", takeCode);

// A text with a button that copies it: selected where there is no clipboard, on plain http.
addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-copies]");
  if (!button) return;
  const { copies, copied, select } = button.dataset;
  const text = document.getElementById(copies);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.querySelector("span").textContent = copied;
    document.getElementById("live").textContent = copied;
  } catch {
    getSelection().selectAllChildren(text);
    button.closest(".field").querySelector("[role=status]").textContent = select;
  }
});

// What is shown once leaves the page with the person, before a browser may bring the page back.
addEventListener("pagehide", () => {
  for (const secret of document.querySelectorAll("[data-wiped]")) secret[secret.matches("input") ? "value" : "textContent"] = "";
});
// A form that is brought back without what it is to send is asked for anew.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && document.querySelector("input[data-wiped]")) location.replace(location.pathname);
});

// Where the account has no time zone, moments are written in UTC; a pointer shows them in the time of the browser.
addEventListener("pointerover", (event) => {
  const time = event.target.closest?.("time[datetime]");
  if (!time || time.title) return;
  const format = new Intl.DateTimeFormat(root.lang, { dateStyle: "medium", timeStyle: "long" });
  time.title = format.format(new Date(time.dateTime));
});
