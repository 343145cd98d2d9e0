// Choosing and sorting.

let listed = [];

function sorted(found) {
    const [, , direction] = SORTS[state.sort];
    const sign = state.reverse ? -direction : direction;
    const byName = (a, b) => names.compare(a.key, b.key) || (a.number ?? 0) - (b.number ?? 0);
    if (state.sort === "name") return found.sort((a, b) => sign * byName(a, b));
    return found.sort((a, b) => {
        const [one, other] = [a[state.sort] ?? null, b[state.sort] ?? null];
        // What has no value comes last, whatever the order.
        if (one === null || other === null) return (one === null) - (other === null) || byName(a, b);
        return sign * (one - other) || byName(a, b);
    });
}

function show() {
    const all = state.view === "faces" ? faces : pictures;
    const wanted = folded(state.search.trim());
    const [, chosen] = FILTERS[state.filter];
    listed = sorted(all.filter((one) => chosen(one) && one.key.includes(wanted)));
    const grid = byId("grid");
    grid.className = `of-${state.view}`;
    grid.replaceChildren(...listed.map(cardOf));
    document.documentElement.dataset.show = state.show;
    const noun = state.view === "faces" ? "face" : "picture";
    const told = listed.length === all.length ? counted(all.length, noun) : `${listed.length.toLocaleString("en")} of ${counted(all.length, noun)}`;
    const beyond = data.total - pictures.length;
    byId("counts").textContent = beyond ? `${told}; ${counted(beyond, "picture")} of the job not on this page` : told;
    const empty = byId("empty");
    empty.hidden = listed.length > 0;
    empty.textContent =
        state.view === "faces" && pictures.some((one) => chosen(one) && one.key.includes(wanted))
            ? "These pictures have no faces here; choose Pictures to see them."
            : `No ${noun} is like this.`;
    for (const [name, element] of Object.entries({ sort: byId("sort"), search: byId("search") })) {
        if (element.value !== state[name]) element.value = state[name];
    }
    byId("reverse").setAttribute("aria-pressed", String(Boolean(state.reverse)));
    for (const option of byId("sort").options) option.textContent = SORTS[option.value][option.value === state.sort && state.reverse ? 1 : 0];
    for (const input of document.querySelectorAll("fieldset input")) {
        if (input.dataset.state) input.checked = state[input.dataset.state] === input.value;
    }
    for (const label of byId("filters").querySelectorAll("label")) {
        const { filter } = label.dataset;
        const number = all.filter(FILTERS[filter][1]).length;
        label.lastChild.textContent = number.toLocaleString("en");
        label.hidden = !number && filter !== "all" && filter !== state.filter;
    }
    keepState();
}

function set(changes) {
    Object.assign(state, changes);
    show();
}

/** Radio buttons that set a part of the state. */
function radios(fieldset, part, values) {
    for (const [value, words] of Object.entries(values)) {
        const input = make("input", { type: "radio", name: `${fieldset.id}-${part}`, value });
        input.dataset.state = part;
        input.addEventListener("change", () => set({ [part]: value }));
        fieldset.append(make("label", {}, input, words));
    }
}
