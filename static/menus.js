// Menus: once open, the first item has the focus; arrows, Home and End move it, Escape, or Shift+Tab on the first,
// returns it to the button. A menu that the focus leaves closes. In one that is a form, arrows belong to its fields.
"use strict";

(() => {
  const items = (menu) => [...menu.querySelectorAll("a[href], button, select, input:not([type=hidden])")];

  addEventListener("toggle", (event) => {
    if (!event.target.matches(".menu")) return;
    const isOpen = event.newState === "open";
    const opener = openerOf(event.target);
    if (opener?.ariaExpanded) opener.ariaExpanded = String(isOpen);
    if (isOpen) items(event.target)[0]?.focus();
  }, true);

  addEventListener("keydown", (event) => {
    const menu = event.target.closest?.(".menu");
    if (!menu) return;
    const isWayBack = event.key === "Tab" && event.shiftKey && event.target === items(menu)[0];
    if (event.key === "Escape" || isWayBack) {
      event.preventDefault();
      menu.hidePopover();
      openerOf(menu).focus();
      return;
    }
    if (menu.matches(".menu--form")) return;
    const all = items(menu);
    const here = all.indexOf(event.target);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length).focus();
  });

  // Not for its own button, which closes the menu when it is pressed: it would find it closed and open it again.
  // The focus may be on that button while the menu is open, and leave from there.
  addEventListener("focusout", ({ target, relatedTarget: next }) => {
    const menu = target.closest?.(".menu") ?? document.getElementById(target.getAttribute?.("popovertarget"));
    if (next && menu && !menu.contains(next) && next.getAttribute("popovertarget") !== menu.id) menu.hidePopover();
  });
})();
