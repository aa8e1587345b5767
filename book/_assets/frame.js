// The frame around the text: colours, search, and the drawers that hold chapters and sections on a narrow screen.
// The theme's own scripts do this too, among much that the book has not, and lay the whole page out while it loads.
"use strict";
{
  const root = document.documentElement;
  const keep = (store, key, value) => { try { window[store].setItem(key, value); } catch (error) {} }; // it may be forbidden
  const kept = (store, key) => { try { return window[store].getItem(key); } catch (error) { return null; } };
  const on = (selector, event, act) => document.querySelectorAll(selector).forEach((e) => e.addEventListener(event, act));

  // Colours: the system's, or the reader's choice. layout.html has set them before the first paint.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = (mode) => {
    root.dataset.mode = mode;
    root.dataset.theme = mode !== "auto" ? mode : dark.matches ? "dark" : "light";
  };
  dark.addEventListener("change", () => root.dataset.mode === "auto" && paint("auto"));
  on(".theme-switch-button", "click", () => {
    const order = dark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
    paint(order[(order.indexOf(root.dataset.mode) + 1) % 3]);
    keep("localStorage", "mode", root.dataset.mode);
  });

  // A click beside an open dialog closes it, as the Escape key does.
  on("dialog", "click", ({ currentTarget: dialog, clientX: x, clientY: y }) => {
    const box = dialog.getBoundingClientRect();
    if (dialog.open && (x < box.left || x > box.right || y < box.top || y > box.bottom)) dialog.close();
  });

  // Search: the page's own field where there is one, else a dialog.
  const dialog = document.getElementById("pst-search-dialog");
  const search = () => {
    const field = [...document.querySelectorAll("form.bd-search input")].find((input) => !dialog.contains(input));
    if (field) field.select();
    else if (dialog.open) dialog.close();
    else dialog.showModal();
  };
  const mac = /^(Mac|iPhone|iPad)/.test(navigator.platform);
  if (mac) document.querySelectorAll(".kbd-shortcut__modifier").forEach((key) => (key.textContent = "⌘"));
  on(".search-button__button", "click", search);
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || event.shiftKey || event.altKey || event.metaKey !== mac || event.ctrlKey === mac) return;
    event.preventDefault();
    search();
  });

  // Drawers: what stands at the side of a wide screen moves into a dialog and back.
  const move = (from, to) => {
    to.append(...from.childNodes);
    to.className = from.className;
    from.className = "";
  };
  for (const side of ["primary", "secondary"]) {
    const bar = document.getElementById(`pst-${side}-sidebar`), drawer = document.getElementById(`pst-${side}-sidebar-modal`);
    if (!bar || !drawer) continue;
    on(`.${side}-toggle`, "click", (event) => {
      if (side === "primary" && matchMedia("(min-width: 992px)").matches) return bar.classList.toggle("pst-sidebar-hidden");
      move(bar, drawer);
      drawer.showModal();
      drawer.addEventListener("close", () => {
        move(drawer, bar);
        if (drawer.returnValue !== "followed") event.target.closest("button").focus({ preventScroll: true });
      }, { once: true });
      drawer.returnValue = "";
    });
    // whoever follows a link within the page wants to read there
    drawer.addEventListener("click", (event) => event.target.closest("a[href*='#']") && drawer.close("followed"));
  }

  // The list of chapters stays where it was on the page before.
  const list = document.getElementById("pst-primary-sidebar");
  const place = kept("sessionStorage", "sidebar-scroll-top");
  if (list && place > 0) requestAnimationFrame(() => (list.scrollTop = place));
  if (list) addEventListener("pagehide", () => keep("sessionStorage", "sidebar-scroll-top", list.scrollTop));

  // The bar above the text has a shadow once text goes below it.
  const top = document.querySelector(".sbt-scroll-pixel-helper");
  if (top) new IntersectionObserver(([seen]) => document.body.classList.toggle("scrolled", !seen.isIntersecting)).observe(top);
}
