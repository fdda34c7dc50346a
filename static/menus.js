// Menus: once open, the first item has the focus; arrows, Home and End move it, Escape returns it to the button.
"use strict";

(() => {
  const items = (menu) => [...menu.querySelectorAll("a[href], button")];

  addEventListener("toggle", (event) => {
    if (event.newState === "open" && event.target.matches(".menu")) items(event.target)[0]?.focus();
  }, true);

  addEventListener("keydown", (event) => {
    const menu = event.target.closest?.(".menu");
    if (!menu) return;
    if (event.key === "Escape") {
      event.preventDefault();
      menu.hidePopover();
      document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`).focus();
      return;
    }
    const all = items(menu);
    const here = all.indexOf(event.target);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length).focus();
  });
})();
