// The fields of the filter bar. What is typed is sent when the field is left or Enter is pressed; filter_bar.py reads it.

export function render({ model }) {
  const root = document.createElement("form")
  root.setAttribute("role", "search")
  root.setAttribute("aria-label", "Filters")
  root.innerHTML = `
    <div class="inner"><button type="button" class="toggle" aria-expanded="false" aria-controls="fields">Filters<span class="badge" hidden></span></button>
    <div class="fields" id="fields">
      <label class="wide">Source<input name="source" list="sources" placeholder="All sources" autocomplete="off"></label>
      <datalist id="sources"></datalist>
      <label>Format<select name="format"></select></label>
      <label class="wide">Tags<input name="tag" placeholder="name=value" autocomplete="off"></label>
      <label class="time">From<input name="start" placeholder="the beginning" autocomplete="off" spellcheck="false"></label>
      <label class="time">To<input name="end" placeholder="the end" autocomplete="off" spellcheck="false"></label>
      <label>Recent<select name="recent"></select></label>
      <fieldset><legend>Clock</legend>
        <label><input type="radio" name="scale" value="UTC"><span>UTC</span></label>
        <label><input type="radio" name="scale" value="TAI"><span>TAI</span></label>
      </fieldset>
      <button type="button" class="clear">Clear</button>
    </div>
    <p class="problem" role="alert" hidden></p></div>`
  const field = name => root.querySelector(`[name="${name}"]`)
  const texts = ["source", "format", "tag", "start", "end"]

  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text })
  const fill = {
    sources: () => root.querySelector("datalist").replaceChildren(...Object.values(model.sources).map(label => option(label, ""))),
    formats: () => { field("format").replaceChildren(option("", "All formats"), ...model.formats.map(([urn, name]) => option(urn, name))) },
    recents: () => { field("recent").replaceChildren(option("", "Choose …"), ...model.recents.map(name => option(name, name))) },
    scale: () => { for (const one of root.querySelectorAll('[name="scale"]')) one.checked = one.value === model.scale },
    problem: () => {
      const line = root.querySelector(".problem")
      line.textContent = model.problem
      line.hidden = !model.problem
    },
    count: () => {
      const badge = root.querySelector(".badge")
      badge.textContent = model.count
      badge.hidden = !model.count
      root.querySelector(".clear").disabled = !model.count
    },
    recent: () => { field("recent").value = model.recent },
  }
  for (const name of texts) {
    fill[name] = () => { if (field(name).value !== model[name]) field(name).value = model[name] }
    field(name).addEventListener("change", () => { model[name] = field(name).value })
  }
  field("recent").addEventListener("change", () => { model.recent = field("recent").value })
  for (const one of root.querySelectorAll('[name="scale"]')) one.addEventListener("change", () => { model.scale = one.value })
  root.querySelector(".clear").addEventListener("click", () => { model.cleared += 1 })
  root.addEventListener("submit", event => event.preventDefault())
  const toggle = root.querySelector(".toggle")
  toggle.addEventListener("click", () => {
    const open = root.classList.toggle("open")
    toggle.setAttribute("aria-expanded", open)
  })
  for (const [name, update] of Object.entries(fill)) {
    update()
    model.on(name, update)
  }
  // The options of a select come and its value is set again.
  model.on("formats", fill.format)
  return root
}
