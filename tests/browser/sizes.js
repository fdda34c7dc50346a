// What is wrong with the page at the size that it has now: six lists of sentences, one for each kind of fault.
// It looks at what a reader has before them: the modal dialog, else the open menu, else the page.
async ({ longText }) => {
  const SLACK = 1.5; // pixels that rounding may cost
  const scope =
    document.querySelector("dialog:modal") ?? document.querySelector(":popover-open:not([popover=manual])") ?? document.body;
  const found = { cut: [], broken: [], overlaps: [], covered: [], bars: [], sideways: [] };

  // A menu finds its place when it is opened, by a button that is in sight; a size without that button has no such menu.
  const opener = scope.id && document.querySelector(`[popovertarget="${CSS.escape(scope.id)}"]`);
  if (opener) {
    if (!opener.checkVisibility()) return found;
    scope.hidePopover();
    opener.scrollIntoView({ block: "nearest" });
    // As when a person closes and opens it: a browser forgets a menu's place with the first frame that lacks the menu.
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
    opener.click();
    // It follows its button some frames later, and a browser hides it for as long as it takes the button to be out of
    // sight: it is where a reader finds it when it is shown and has kept its place for ten frames.
    let place = "";
    for (let frame = 0, kept = 0; frame < 120 && kept < 10; frame += 1) {
      await new Promise(requestAnimationFrame);
      const box = scope.getBoundingClientRect();
      const isShown = scope.contains(document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2));
      const now = `${box.left} ${box.top}`;
      kept = isShown && place === now ? kept + 1 : 0;
      place = now;
    }
  }

  const short = (text) => {
    const line = text.trim().replace(/\s+/g, " ");
    return line.length > 40 ? `${line.slice(0, 40)}…` : line;
  };
  const called = (element) =>
    `<${element.tagName.toLowerCase()}${element.id ? ` id=${element.id}` : ""} class="${element.getAttribute("class") ?? ""}"> ` +
    `“${short(element.getAttribute("aria-label") ?? element.textContent)}”`;
  const forEyes = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }) &&
    !element.closest(".sr, option, template, noscript, script");
  const scrolls = (overflow) => overflow === "auto" || overflow === "scroll";
  const clips = (overflow) => overflow === "hidden" || overflow === "clip";
  // What many texts share is asked for once: their boxes, down from the page.
  const remembered = (ask) => {
    const known = new Map();
    return (one) => (known.has(one) ? known : known.set(one, ask(one))).get(one);
  };
  const boxOf = remembered((element) => {
    const { display, overflowX, overflowY, position } = getComputedStyle(element);
    const isInline = display.startsWith("inline");
    return { display, isInline, overflowX, overflowY, position, frame: element.getBoundingClientRect() };
  });
  const isFloating = remembered((element) =>
    Boolean(element) && element !== scope && (["fixed", "sticky"].includes(boxOf(element).position) || isFloating(element.parentElement)),
  );

  // Every text that can be seen, with the boxes of its lines.
  const texts = [];
  const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !forEyes(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
    if (boxes.length) texts.push({ node, element, boxes });
  }

  // Cut: beyond the edge of what clips it or of the screen, where nothing scrolls to it. The end of a long text in
  // a row that links to its details can be read there, by keyboard and touch, too.
  const canBeReadElsewhere = (text) =>
    text.node.data.trim().length > longText && text.element.closest("tr, li")?.querySelector("a.clamp, a[href*='/ApiKey-']");
  const edge = remembered((text) => {
    const over = (box, frame, x, y) =>
      (x && (box.left < frame.left - SLACK || box.right > frame.right + SLACK)) ||
      (y && (box.top < frame.top - SLACK || box.bottom > frame.bottom + SLACK));
    let [x, y] = [true, true];
    for (let one = text.element; one && one !== document.documentElement; one = one.parentElement) {
      const { display, overflowX, overflowY, position, frame } = boxOf(one);
      if (display === "inline") continue;
      const [cutsX, cutsY] = [x && clips(overflowX), y && clips(overflowY)];
      if ((cutsX || cutsY) && text.boxes.some((box) => over(box, frame, cutsX, cutsY))) return one;
      if (scrolls(overflowX)) x = false;
      if (scrolls(overflowY)) y = false;
      if (position === "fixed") break;
    }
    const screen = { left: 0, right: document.documentElement.clientWidth };
    return x && text.boxes.some((box) => over(box, screen, true, false)) ? document.documentElement : null;
  });
  for (const text of texts) {
    const by = edge(text);
    if (by && !canBeReadElsewhere(text)) found.cut.push(`“${short(text.node.data)}” by ${called(by)}`);
  }
  // Nor does a text leave its own box, say the cell of a table.
  for (const text of texts) {
    const { node, element, boxes } = text;
    let own = element;
    while (boxOf(own).isInline && own !== scope) own = own.parentElement;
    const { frame } = boxOf(own);
    if (boxes.some((box) => box.left < frame.left - SLACK || box.right > frame.right + SLACK) && !own.closest("pre") && !edge(text))
      found.overlaps.push(`“${short(node.data)}” and the edge of ${called(own)}`);
  }
  const pen = document.createElement("canvas").getContext("2d");
  for (const control of scope.querySelectorAll("select, input[placeholder]")) {
    if (!forEyes(control) || getComputedStyle(control, "::placeholder").opacity === "0") continue;
    const style = getComputedStyle(control);
    const words = control.placeholder ?? control.selectedOptions[0]?.text ?? "";
    pen.font = style.font;
    pen.letterSpacing = style.letterSpacing;
    const room = control.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (pen.measureText(words).width > room + SLACK) found.cut.push(`“${words}” by ${called(control)}`);
  }

  // Broken: one of the console's own words in two lines. What people typed, and code, may break anywhere.
  for (const { node, element, boxes } of texts) {
    if (boxes.length < 2 || element.closest("bdi, code, pre, [translate=no]")) continue;
    for (const word of node.data.matchAll(/[\p{Script=Latin}\p{M}\d’'.]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.bottom)));
      if (lines.size > 1) found.broken.push(`“${word[0]}” in ${called(element)}`);
    }
  }

  // Overlaps: text on text, or text on a control that it does not belong to.
  const things = texts
    .filter((text) => !isFloating(text.element) && !edge(text))
    .flatMap(({ element, boxes }) => boxes.map((box) => ({ element, box, isText: true })));
  for (const control of scope.querySelectorAll("button, .btn, .icon-btn, input, select, textarea, summary")) {
    if (forEyes(control) && !isFloating(control) && control.getClientRects().length)
      things.push({ element: control, box: control.getBoundingClientRect(), isText: false });
  }
  things.sort((one, other) => one.box.top - other.box.top);
  const related = (one, other) => one.contains(other) || other.contains(one);
  things.forEach((one, index) => {
    for (const other of things.slice(index + 1)) {
      if (other.box.top >= one.box.bottom) break;
      const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const high = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (wide <= SLACK || high <= 4 || related(one.element, other.element)) continue; // lines of text may touch
      if (one.isText || other.isText) found.overlaps.push(`${called(one.element)} and ${called(other.element)}`);
    }
  });

  // Bars: what scrolls by a pixel or two, and what scrolls sideways. Lines of code keep their length; the text of a
  // page may happen to be that much longer than the screen, but nothing beyond its text.
  for (const element of [document.documentElement, scope, ...scope.querySelectorAll("*")]) {
    const isPage = element === document.documentElement;
    const style = getComputedStyle(element);
    if (element.matches("pre, textarea, input, select") || (!isPage && !element.checkVisibility())) continue;
    const shown = isPage ? Math.max(element.clientHeight, document.body.getBoundingClientRect().height) : element.clientHeight;
    const further = Math.floor(element.scrollHeight - shown);
    if ((isPage || scrolls(style.overflowY)) && further > 0 && further <= 2) found.bars.push(`${further} px in ${called(element)}`);
    const wider = element.scrollWidth - element.clientWidth;
    if ((isPage || scrolls(style.overflowX)) && wider > 0) found.sideways.push(`${wider} px in ${called(element)}`);
  }

  // Covered: what has the focus, and is not to be seen. There and back, as Tab and Shift+Tab go.
  const isTop = (x, y, element) => {
    const hit = document.elementFromPoint(x, y);
    return Boolean(hit) && (element.contains(hit) || hit.closest("label")?.control === element);
  };
  const uncovered = (element) => {
    const box = element.getClientRects()[0];
    if (!box) return false;
    const [wide, high] = [innerWidth, innerHeight];
    const middle = [box.left + box.width / 2, box.top + box.height / 2];
    if (box.width > wide || box.height > high) return box.bottom > 0 && box.top < high;
    const [dx, dy] = [Math.min(3, box.width / 2), Math.min(3, box.height / 2)];
    const corners = [box.left + dx, box.right - dx].flatMap((x) => [box.top + dy, box.bottom - dy].map((y) => [x, y]));
    // Of a field with several lines, a browser brings the one with the caret into view.
    const points = element.matches("textarea") ? [corners[0], corners[2]] : [middle, ...corners];
    return points.every(([x, y]) => isTop(x, y, element));
  };
  const stops = [...scope.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(
    (element) => element.tabIndex >= 0 && !element.disabled && element.type !== "hidden" && element.checkVisibility({ visibilityProperty: true }),
  );
  const before = document.activeElement;
  const scrollers = [document.documentElement, scope];
  const tops = () => scrollers.map((element) => element.scrollTop);
  const scrollTo = (places) => scrollers.forEach((element, index) => (element.scrollTop = places[index]));
  const [began, placeOf] = [tops(), (element) => JSON.stringify(element.getClientRects()[0] ?? null)];
  before?.blur(); // what has the focus already would not come into sight by getting it
  const visits = [...stops, ...stops.toReversed()].map((element) => {
    element.focus();
    return { element, hasFocus: document.activeElement === element, at: tops(), place: placeOf(element) };
  });
  document.activeElement?.blur();
  // After each change of focus a browser draws anew before it tells what is on top: without one it is told at once, but
  // of what has another place only while it has the focus, or is in a box that scrolls for it.
  const covered = new Set();
  const seen = new Map(); // there and back, most stand at the same place of the same page
  for (const { element, hasFocus, at, place } of visits) {
    const where = `${at} ${place} ${hasFocus}`;
    if (seen.get(element) === where) continue;
    seen.set(element, where);
    scrollTo(at);
    const isInPlace = placeOf(element) === place;
    if (!isInPlace) element.focus();
    if (!hasFocus) covered.add(`no focus for ${called(element)}`);
    else if (!uncovered(element)) covered.add(called(element));
    if (!isInPlace) element.blur();
  }
  found.covered.push(...covered);
  before?.focus({ preventScroll: true });
  scrollTo(began);
  return found;
}
