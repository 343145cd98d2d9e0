// The keyboard.

let current = null;

function goTo(one) {
    current?.card?.classList.remove("at");
    current = one;
    const card = cardOf(one);
    card.classList.add("at");
    card.scrollIntoView({ block: "nearest" });
    if (!card.firstChild) {
        near.unobserve(card);
        (one.picture ? fillFace : fillPicture)(card, one);
        card.scrollIntoView({ block: "nearest" });
    }
    (card.querySelector("input") ?? card.querySelector(".name")).focus({ preventScroll: true });
}

document.addEventListener("focusin", ({ target }) => {
    const card = target.closest?.(".card");
    if (!card || card.one === current) return;
    current?.card?.classList.remove("at");
    current = card.one;
});

document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select, input[type=search]")) return;
    const isOpen = viewer.dialog.open;
    const key = event.key.toLowerCase();
    const step = { n: 1, p: -1, pagedown: isOpen ? 1 : 0, pageup: isOpen ? -1 : 0 }[key];
    const chosen = { s: "split", b: "before", a: "after" }[key];
    if (step) {
        if (isOpen) viewer.go(step);
        else {
            const place = listed.indexOf(current);
            const next = listed[place < 0 ? 0 : Math.min(Math.max(place + step, 0), listed.length - 1)];
            if (next) goTo(next);
        }
    } else if (chosen) set({ show: chosen });
    else if (key === "z" && isOpen) {
        const order = ["fit", "1", "2"];
        viewer.zoomTo(order[(order.indexOf(viewer.zoom) + 1) % order.length]);
    } else if (key === "/" && !isOpen) byId("search").focus();
    else if (key === "enter" && !isOpen && event.target.matches(".compare input")) {
        const { one } = event.target.closest(".card");
        viewer.open(one.picture ?? one, one.picture ? one : null);
    } else return;
    event.preventDefault();
});

// The page.

document.title = `${data.folder} – contact sheet`;
byId("title").textContent = data.folder;
for (const [value, [words]] of Object.entries(FILTERS)) {
    const input = make("input", { type: "radio", name: "filter", value });
    input.dataset.state = "filter";
    input.addEventListener("change", () => set({ filter: value }));
    const label = make("label", {}, input, words, make("b"));
    label.dataset.filter = value;
    byId("filters").append(label);
}
radios(byId("views"), "view", VIEWS);
radios(byId("shows"), "show", SHOWS);
radios(byId("viewer-shows"), "show", SHOWS);
byId("views").hidden = !faces.length;
for (const sort of Object.keys(SORTS)) if (has(sort)) byId("sort").append(make("option", { value: sort }));
byId("sort").addEventListener("change", ({ target }) => set({ sort: target.value, reverse: "" }));
byId("reverse").addEventListener("click", () => set({ reverse: state.reverse ? "" : "1" }));
byId("search").addEventListener("input", ({ target }) => set({ search: target.value }));
byId("search").addEventListener("keydown", ({ key, target }) => {
    if (key === "Escape") {
        set({ search: "" });
        target.blur();
    }
});
show();
