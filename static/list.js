// The list changes in place: the table after a search, all of it after an action. Focus and words follow.
"use strict";

(() => {
  const SAY_MILLISECONDS = 150; // after the focus has moved: a screen reader drops what it reads when that happens

  const byId = (id) => document.getElementById(id);
  const rows = () => [...document.querySelectorAll("#keys tbody tr")];
  const actionsOf = (row) => row?.querySelector("[popovertarget]");
  const isOpen = () => byId("list") !== null && root.dataset.dialogIsPage === undefined;

  // Actions of a row: without script a link to the details of its key, here the button of a menu. There is one menu,
  // whose copy beside the button has the addresses of that key and what can be done to it.

  function makeButtons() {
    for (const link of document.querySelectorAll("a[data-can]")) {
      const button = document.createElement("button");
      const key = link.closest("tr").querySelector("th a").id;
      Object.assign(button, { className: link.className, id: `actions-${key}`, ariaExpanded: "false" });
      Object.assign(button.dataset, { can: link.dataset.can, url: link.getAttribute("href") });
      button.setAttribute("popovertarget", `m-${key}`);
      button.append(...link.childNodes);
      link.replaceWith(button);
    }
  }

  makeButtons();
  addEventListener("htmx:load", makeButtons);

  function bringMenu(button) {
    const id = button.getAttribute("popovertarget");
    if (byId(id)) return;
    const last = document.querySelector("#keys tbody .menu");
    if (last) openerOf(last).ariaExpanded = "false"; // what is removed tells nobody that it closes
    last?.remove();
    const menu = byId("actions").content.firstElementChild.cloneNode(true);
    const can = ["", ...button.dataset.can.split(" ")];
    const [path, query] = button.dataset.url.split(/(?=\?)/);
    menu.id = id;
    menu.querySelector("ul").setAttribute("aria-labelledby", button.id);
    menu.querySelector("[data-name]").textContent = button.closest("tr").querySelector("th").textContent.trim();
    for (const item of menu.querySelectorAll("[data-action]")) {
      const { action } = item.dataset;
      const url = `${path}${action && `${action}/`}${query ?? ""}`;
      if (!can.includes(action)) item.parentElement.remove();
      else if (item.matches("a")) setAttributes(item, { href: url, "hx-get": url });
      else setAttributes(item, { formaction: url, "hx-post": url });
    }
    button.after(menu);
    htmx.process(menu);
  }

  function setAttributes(element, attributes) {
    for (const [name, text] of Object.entries(attributes)) element.setAttribute(name, text);
  }

  // Before the button opens what it controls.
  addEventListener("click", (event) => {
    const button = event.target.closest?.("#keys tbody [popovertarget]");
    if (button) bringMenu(button);
  }, true);

  // The name of a key opens its details as its Actions do: the address stays that of the list. A link that is to open a
  // tab or a window of its own does.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#keys tbody th a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const details = { source: link, event, target: "#dialog-slot", swap: "innerHTML" };
    htmx.ajax("GET", link.getAttribute("href"), details).catch(() => {}); // console.js tells why
  });

  // What is ticked, of the rows that are shown: once there is something, the form for it stands below them.

  const ticks = () => [...document.querySelectorAll("#keys tbody [name=key]")];

  function countTicks() {
    const form = byId("bulk");
    if (!form) return;
    const all = ticks();
    const number = all.filter((tick) => tick.checked).length;
    const page = form.querySelector("[data-tick-page]");
    Object.assign(page, { checked: number === all.length, indeterminate: number > 0 && number < all.length });
    form.querySelector("[data-ticked]").textContent = `(${number})`;
    form.classList.toggle("bulk--open", number > 0);
    if (number < all.length && form.elements.all) form.elements.all.checked = false;
  }

  addEventListener("change", ({ target }) => {
    if (target.matches("#bulk [data-tick-page], #bulk [name=all]")) {
      const checked = target.checked || target.name === "all";
      if (target.checked || target.name !== "all") for (const tick of ticks()) tick.checked = checked;
      const { all } = target.form.elements;
      if (all && target !== all) all.checked = false;
    } else if (!target.matches("#keys tbody [name=key]")) return;
    countTicks();
    const form = byId("bulk");
    say(byId("live"), `${form.getAttribute("aria-label")} ${form.querySelector("[data-ticked]").textContent}`);
  });
  addEventListener("htmx:load", countTicks);
  addEventListener("pageshow", countTicks); // a browser keeps what is ticked over a reload

  // Focus: on what had it, else on the row that now stands where its row stood, of those that were ticked the first;
  // after a filter on what opens them.

  let place = { id: "", row: 0 };

  function notePlace(control) {
    const isForTicked = control.closest("#bulk");
    const row = (isForTicked ? ticks().find((tick) => tick.checked) : control)?.closest("#keys tbody tr");
    const menu = control.closest(".menu");
    const isFilter = control.matches(".chips a, .empty [hx-get]");
    const holder = row ? actionsOf(row) : menu ? openerOf(menu) : isFilter ? byId("filters") : control;
    place = { id: holder?.id ?? "", row: row ? rows().indexOf(row) : 0 };
    if (menu && !menu.matches(".menu--form")) {
      menu.hidePopover();
      holder.focus();
    }
  }

  function returnFocus() {
    if (document.activeElement !== document.body) return;
    const row = rows()[Math.min(place.row, rows().length - 1)];
    const control = byId(place.id) ?? actionsOf(row) ?? document.querySelector("#list a.btn") ?? byId("title");
    control.focus({ preventScroll: control.id === place.id || byId("problem").childElementCount > 0 });
  }

  addEventListener("click", (event) => {
    const control = event.target.closest("#list :is(a, button)");
    if (control && !control.hasAttribute("popovertarget")) notePlace(control);
  });

  // The filters are applied: what comes is not below them, be it the list or that there is none.
  addEventListener("htmx:beforeRequest", ({ target }) => {
    if (!target.matches(".menu--form")) return;
    target.hidePopover();
    openerOf(target).focus();
  });

  // Words: what was done, or how much was found.

  let saying = 0;

  function say(region, content) {
    clearTimeout(saying);
    region.replaceChildren();
    saying = setTimeout(() => {
      region.replaceChildren(content);
      enhance(region);
    }, SAY_MILLISECONDS);
  }

  function tell(asker) {
    const news = document.querySelector("#list [data-news]");
    const { announcement = "", order = "" } = byId("keys")?.dataset ?? {};
    if (news?.content.childElementCount) say(byId("toasts"), news.content);
    else say(byId("live"), asker?.closest("#keys thead, .sort") ? `${announcement}. ${order}` : announcement);
    news?.remove();
  }

  // What stands there when a page is opened is read to nobody.
  const toasts = document.createDocumentFragment();
  toasts.append(...byId("toasts").children);
  if (toasts.childElementCount) say(byId("toasts"), toasts);

  addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target.id === "list" && detail.shouldSwap) detail.requestConfig.elt.closest("dialog")?.remove();
  });

  addEventListener("htmx:afterSettle", ({ target, detail }) => {
    if (target.id !== "list" && target.id !== "keys") return;
    if (detail.requestConfig?.elt?.matches(".pager .icon-btn")) byId("title").focus();
    else returnFocus();
    tell(detail.requestConfig?.elt);
  });

  // At the document, before console.js waits at the window for the page that the link leads to.
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-clear-search]")) return;
    event.preventDefault();
    const box = byId("q");
    box.value = "";
    box.focus();
    box.form.requestSubmit();
  });

  // A key that is gone, locked or held since the list was drawn: the message stays, the list is drawn anew.
  addEventListener("htmx:afterSwap", ({ target, detail }) => {
    if ([403, 404, 409].includes(detail.xhr?.status) && target.matches("#problem, [data-problem]")) refresh("GET", location.href);
  });

  addEventListener("list:old", () => refresh("GET", location.href));

  function refresh(method, url, values = {}) {
    if (isOpen()) htmx.ajax(method, url, { target: "#list", swap: "outerHTML", values });
  }

  // The created dialog is closed: its receipt is answered with the list, in which the new key has the focus.
  addEventListener("handover:left", (event) => {
    if (!isOpen()) return;
    event.preventDefault();
    const { form, key } = event.detail;
    const values = Object.fromEntries(new FormData(form));
    form.closest("dialog").remove();
    place = { id: `actions-${key}`, row: 0 };
    refresh("POST", form.action, values);
  });

  // A value that is pasted into the search is its hint before anybody else hears of it.
  addEventListener("input", ({ target }) => {
    if (target.dataset?.valueLike === undefined) return;
    const { valueLike, valuePrefix, hintLength } = target.dataset;
    const hint = (value) => `${value.startsWith(valuePrefix) ? valuePrefix : ""}…${value.slice(-hintLength)}`;
    const hinted = target.value.replace(new RegExp(valueLike, "g"), hint);
    if (hinted !== target.value) target.value = hinted;
  }, true);
})();
