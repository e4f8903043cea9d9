// Draws one page of a table. What is on the page is decided in table.py; here are only clicks and keys.

const STEPS = [["first", "«", "First page"], ["back", "‹", "Page before"], ["next", "›", "Next page"], ["last", "»", "Last page"]]

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

function save({ name, content }) {
  const bytes = Uint8Array.from(atob(content), one => one.charCodeAt(0))
  const url = URL.createObjectURL(new Blob([bytes]))
  element("a", { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

export function render({ model }) {
  const search = element("input", { type: "search", placeholder: "Filter rows" })
  const order = element("select", { "aria-label": "Sort by" })
  const downloads = ["csv", "parquet"].map(kind => {
    const button = element("button", { type: "button", title: `Download as ${kind}` }, kind === "csv" ? "CSV" : "Parquet")
    button.addEventListener("click", () => model.send_msg(kind))
    return button
  })
  const bar = element("div", { class: "bar" }, search, order, element("span", { class: "files" }, ...downloads))
  const head = element("tr")
  const body = element("tbody")
  const table = element("table", {}, element("thead", {}, head), body)
  const count = element("span", { class: "count", "aria-live": "polite" })
  const steps = Object.fromEntries(STEPS.map(([name, sign, title]) => {
    const button = element("button", { type: "button", "aria-label": title, title }, sign)
    button.addEventListener("click", () => { model.page = target(name) })
    return [name, button]
  }))
  const foot = element("div", { class: "foot" }, count, element("span", { class: "steps" }, ...Object.values(steps)))

  const last = () => Math.max(0, Math.ceil(model.found / model.page_size) - 1)
  const target = name => ({ first: 0, back: Math.max(0, model.page - 1), next: Math.min(last(), model.page + 1), last: last() })[name]

  let typing
  search.value = model.search
  search.addEventListener("input", () => {
    clearTimeout(typing)
    typing = setTimeout(() => { model.search = search.value }, 150)
  })

  function sort(name, numeric) {
    if (model.sort_by !== name) {
      model.sort_by = name
      model.descending = numeric
    } else if (model.descending === numeric) {
      model.descending = !numeric
    } else {
      model.sort_by = ""
    }
  }
  order.addEventListener("change", () => {
    const heading = model.headings.find(one => one[0] === order.value)
    model.sort_by = order.value
    model.descending = heading ? heading[2] : false
  })

  function drawHead() {
    const focused = head.getRootNode().activeElement?.dataset?.name
    head.replaceChildren(...model.headings.map(([name, title, numeric]) => {
      const sorted = model.sort_by === name
      const arrow = sorted ? (model.descending ? "↓" : "↑") : ""
      const sign = element("span", { class: "arrow", "aria-hidden": "true" }, arrow)
      const button = element("button", { type: "button", "data-name": name }, title, sign)
      button.addEventListener("click", () => sort(name, numeric))
      const direction = sorted ? (model.descending ? "descending" : "ascending") : "none"
      return element("th", { scope: "col", "aria-sort": direction, class: numeric ? "number" : null }, button)
    }))
    head.querySelector(`[data-name="${focused}"]`)?.focus()
    order.replaceChildren(
      element("option", { value: "" }, "Sort by …"),
      ...model.headings.map(([name, title]) => element("option", { value: name }, title)),
    )
    order.value = model.sort_by
    table.setAttribute("aria-label", model.label)
    search.setAttribute("aria-label", `Filter rows of ${model.label}`)
  }

  function drawBody() {
    body.replaceChildren(...model.cells.map(texts => element("tr", {}, ...texts.map((text, at) => {
      const [, title, numeric] = model.headings[at] ?? ["", "", false]
      return element("td", { class: numeric ? "number" : null, "data-title": title, title: text }, text)
    }))))
    // A last page that is not full keeps the height of the others.
    const missing = last() > 0 ? model.page_size - model.cells.length : 0
    for (let row = 0; row < missing; row++) {
      body.append(element("tr", { class: "filler", "aria-hidden": "true" }, element("td", { colspan: model.headings.length }, "\u00a0")))
    }
    const from = model.found ? model.page * model.page_size + 1 : 0
    const to = Math.min(model.found, (model.page + 1) * model.page_size)
    const of = model.found === model.total ? model.total.toLocaleString("en") : `${model.found.toLocaleString("en")} found of ${model.total.toLocaleString("en")}`
    count.textContent = model.found ? `${from.toLocaleString("en")}–${to.toLocaleString("en")} of ${of}` : "No row has these words"
    for (const [name, button] of Object.entries(steps)) button.disabled = target(name) === model.page
    foot.classList.toggle("single", last() === 0)
  }

  // One drawing for changes that come together.
  let due = false
  function draw() {
    if (due) return
    due = true
    queueMicrotask(() => { due = false; drawHead(); drawBody() })
  }
  for (const name of ["headings", "cells", "found", "total", "page", "sort_by", "descending", "label"]) model.on(name, draw)
  model.on("search", () => { if (search.value !== model.search) search.value = model.search })
  model.on("msg:custom", event => save(event.data ?? event))
  drawHead()
  drawBody()
  return element("div", { class: "table" }, bar, element("div", { class: "scroll", tabindex: 0, role: "group" }, table), foot)
}
