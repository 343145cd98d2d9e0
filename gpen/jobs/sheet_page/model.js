"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

const folded = (text) => text.normalize("NFC").toLowerCase();
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** An element; `own` are its properties, or attributes where there is no such property. */
function make(tag, own = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(own)) {
        if (name in element) element[name] = value;
        else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
}

function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `#${name}`);
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    svg.append(use);
    return svg;
}

// What is looked at: pictures, or their faces. Both have a name, a state and values to sort by.

const present = (values) => values.filter((value) => value !== null && value !== undefined);
const least = (values) => (values.length ? Math.min(...values) : null);
const most = (values) => (values.length ? Math.max(...values) : null);

const named = ({ number, page }, pages = 1) => `${number === null ? "face" : `face ${number}`}${pages > 1 ? ` on page ${page}` : ""}`;

const pictures = data.pictures.map((picture, index) => {
    const restored = picture.faces.filter((face) => face.restored);
    return {
        ...picture,
        index,
        title: picture.name,
        key: folded(picture.name),
        change: picture.unchanged ? 0 : most(present(restored.map((face) => face.change))),
        sharpness: least(present(picture.faces.map((face) => face.sharpness))),
        identity: least(present(restored.map((face) => face.identity))),
    };
});
const faces = pictures.flatMap((picture) =>
    picture.faces.map((face) => ({
        ...face,
        picture,
        name: named(face, picture.pages),
        title: `${picture.title}, ${named(face, picture.pages)}`,
        key: picture.key,
        state: picture.state,
        came: face.restored ? data.words.restored : data.words.leftAlone,
        missing: picture.missing,
        change: face.restored ? face.change : 0,
    })),
);

const FILTERS = { all: ["All", () => true] };
for (const [name, word] of Object.entries(data.words)) {
    FILTERS[name] = [word[0].toUpperCase() + word.slice(1), (one) => one.came === word];
}
Object.assign(FILTERS, {
    waiting: ["Not done yet", (one) => one.state === "waiting" || one.state === "working"],
    missing: ["Missing or changed", (one) => one.missing.length > 0],
});
const VIEWS = { pictures: "Pictures", faces: "Faces" };
const SHOWS = { split: "Split", before: "Before", after: "After" };
// What the order begins with, by what it sorts.
const SORTS = {
    change: ["Most changed first", "Least changed first", -1],
    sharpness: ["Least sharp first", "Sharpest first", 1],
    identity: ["Least alike first", "Most alike first", 1],
    name: ["By name", "By name, backwards", 1],
};
const CHANGE_TOLD = "Mean change of the face in 8-bit levels, 0 to 255";
const SHARPNESS_TOLD =
    data.sharpness === "page" ? "Variance of the Laplacian of the face's thumbnail" : "As measured by the job";
const IDENTITY_TOLD = "Likeness before and after for a network that recognizes faces; 1: the same";

const names = new Intl.Collator("en", { numeric: true });
const has = (sort) => sort === "name" || faces.some((face) => face[sort] !== null && face[sort] !== undefined);

// The state of the page, kept in its address so that a reload and a bookmark show the same.

const state = { filter: "all", view: "pictures", show: "split", sort: has(data.sort) ? data.sort : "name", reverse: "", search: "" };
for (const [name, value] of new URLSearchParams(location.hash.slice(1))) if (name in state) state[name] = value;
const known = { filter: FILTERS, view: VIEWS, show: SHOWS, sort: SORTS };
for (const [name, values] of Object.entries(known)) {
    if (!Object.hasOwn(values, state[name])) state[name] = Object.keys(values)[0];
}
if (!has(state.sort)) state.sort = "name";

function keepState() {
    const kept = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
    try {
        history.replaceState(null, "", `#${kept}`);
    } catch {
        // Some browsers allow this only often enough for people.
    }
}
