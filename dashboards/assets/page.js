// What a page does by itself, before and beside the figures: theme, links that keep the filters, and going back.
"use strict";
(() => {
  const root = document.documentElement
  const stored = () => { try { return localStorage.getItem("tams-theme") } catch { return null } }
  const dark = matchMedia("(prefers-color-scheme: dark)")
  const apply = () => {
    root.dataset.theme = stored() ?? (dark.matches ? "dark" : "light")
    repaint()
  }

  // Figures read the colours of the page when they paint.
  function repaint() {
    const seen = view => {
      view.request_paint?.("everything")
      for (const child of view.children?.() ?? []) seen(child)
    }
    for (const view of window.Bokeh?.index?.roots ?? []) seen(view)
  }

  apply()
  dark.addEventListener("change", apply)
  addEventListener("popstate", () => location.reload())
  addEventListener("DOMContentLoaded", () => {
    document.querySelector(".theme").addEventListener("click", () => {
      try { localStorage.setItem("tams-theme", root.dataset.theme === "dark" ? "light" : "dark") } catch { /* not kept then */ }
      apply()
    })
    for (const link of document.querySelectorAll("nav a, .brand")) {
      for (const event of ["pointerdown", "focus"]) link.addEventListener(event, () => { link.search = location.search })
    }
  })
})()
