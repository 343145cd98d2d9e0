/** A name in one line: where it is too long, its end stays, which is what tells files apart. */
function nameButton(title, source, look) {
    const letters = [...title];
    const end = Math.max(0, letters.length - 14);
    const button = make(
        "button",
        { type: "button", className: "name", title: source },
        make("span", { textContent: letters.slice(0, end).join("") }),
        make("span", { textContent: letters.slice(end).join("") }),
    );
    button.addEventListener("click", look);
    return button;
}

// Cards. Each begins as an empty place and is filled when it comes near the window.

const fact = (words, title = "", number = "") =>
    make("span", { title }, `${words}${number === "" ? "" : " "}`, number === "" ? "" : make("b", { textContent: number }));

function measures(one) {
    const told = [];
    if (one.change) told.push(fact("change", CHANGE_TOLD, one.change.toFixed(1)));
    if (one.sharpness !== null) told.push(fact("sharpness", SHARPNESS_TOLD, one.sharpness.toFixed(one.sharpness < 10 ? 1 : 0)));
    if (one.identity !== null && one.identity !== undefined) told.push(fact("identity", IDENTITY_TOLD, one.identity.toFixed(2)));
    return told;
}

function whatCame({ state: how, facesTold, pages }) {
    if (how === "waiting") return "not done yet";
    if (how === "working") return "begun";
    if (how === "failed") return "no result";
    return pages > 1 ? `${facesTold}, ${counted(pages, "page")}` : facesTold;
}

const alone = data.words.leftAlone[0].toUpperCase() + data.words.leftAlone.slice(1);

function leftAloneTold(picture) {
    const reasons = new Map();
    for (const face of picture.faces) {
        if (face.leftAlone) reasons.set(face.leftAlone, [...(reasons.get(face.leftAlone) ?? []), face]);
    }
    return [...reasons].map(([why, found]) => {
        const which = picture.faces.length === 1 ? alone : `${counted(found.length, "face")} ${data.words.leftAlone}`;
        return make("p", { className: "facts", textContent: `${which}: ${why}` });
    });
}

/** What is said of a picture below it: failures, left faces, missing files, notes. */
function told(picture) {
    const notes = picture.notes.map((note) => make("li", { textContent: note }));
    return [
        picture.why && picture.state !== "done" ? make("p", { className: "why", textContent: picture.why }) : null,
        ...leftAloneTold(picture),
        picture.pages > 1 ? make("p", { className: "facts", textContent: `Page 1 of ${picture.pages} is shown; the result has all pages.` }) : null,
        ...picture.missing.map((sentence) => make("p", { className: "missing", textContent: sentence })),
        notes.length
            ? make("details", { className: "notes" }, make("summary", { textContent: counted(notes.length, "note") }), make("ul", {}, ...notes))
            : null,
    ].filter(Boolean);
}

function faceStrip(picture, look) {
    return picture.faces
        .filter((face) => face.before || face.after)
        .map((face) => {
            const label = `${named(face, picture.pages)}, ${face.leftAlone ? data.words.leftAlone : "before and after"}`;
            const sources = face.restored ? [face.before, face.after] : [face.before ?? face.after];
            const images = sources.filter(Boolean).map((src) => make("img", { src, alt: "", loading: "lazy", decoding: "async" }));
            const button = make("button", { type: "button", className: "face", title: `${label}; look at it in the large view` }, ...images);
            button.setAttribute("aria-label", label);
            if (!face.restored) button.append(make("span", { textContent: data.words.leftAlone }));
            button.addEventListener("click", () => look(face));
            return button;
        });
}

function framed(comparison, size, frameRatio) {
    if (comparison) comparison.classList.add(size[0] / size[1] > frameRatio ? "wide" : "tall");
    return comparison;
}

function fillPicture(card, picture) {
    const { title, before, after, size, unchanged } = picture;
    const frame = make("div", { className: "frame" });
    if (before || after) {
        const shown = unchanged && after ? { after } : { before, after };
        frame.append(framed(compare({ ...shown, size, name: title }), size, 4 / 3));
    } else {
        const why = picture.state === "failed" ? "No picture to show" : picture.state === "done" ? "Both files are gone" : "Not done yet";
        frame.append(make("div", { className: "nothing" }, icon("none"), make("span", { textContent: why })));
    }
    if (picture.pages > 1 && (before || after)) frame.append(make("span", { className: "page-of", textContent: `page 1 of ${picture.pages}` }));
    const open = make("button", { type: "button", className: "open", title: "Large view" }, icon("expand"));
    open.setAttribute("aria-label", `Large view of ${title}`);
    open.addEventListener("click", () => viewer.open(picture));
    frame.append(open);
    frame.addEventListener("dblclick", () => viewer.open(picture));
    const name = nameButton(title, picture.source, () => viewer.open(picture));
    const strip = faceStrip(picture, (face) => viewer.open(picture, face));
    card.append(
        frame,
        make(
            "div",
            { className: "text" },
            make("h2", {}, name),
            make("p", { className: "facts", textContent: whatCame(picture) }),
            make("p", { className: "facts" }, ...measures(picture)),
            strip.length ? make("div", { className: "faces" }, ...strip) : null,
            ...told(picture),
        ),
    );
}

function fillFace(card, face) {
    const { before, after, picture, title } = face;
    const frame = make("div", { className: "frame" });
    if (before || after) {
        const shown = face.restored ? { before, after } : { before: before ?? after };
        frame.append(framed(compare({ ...shown, size: [1, 1], name: title }), [1, 1], 2));
    } else {
        frame.append(make("div", { className: "nothing" }, icon("none"), make("span", { textContent: face.page > 1 ? `Page ${face.page} is not shown` : "No crop to show" })));
    }
    const open = make("button", { type: "button", className: "open", title: "Large view" }, icon("expand"));
    open.setAttribute("aria-label", `Large view of ${title}`);
    open.addEventListener("click", () => viewer.open(picture, face));
    frame.append(open);
    frame.addEventListener("dblclick", () => viewer.open(picture, face));
    const name = nameButton(picture.title, picture.source, () => viewer.open(picture, face));
    const why = face.leftAlone ? make("p", { className: "facts", textContent: `${alone}: ${face.leftAlone}` }) : null;
    card.append(frame, make("div", { className: "text" }, make("h2", {}, name), make("p", { className: "facts" }, fact(face.name), ...measures(face)), why));
}

const near = new IntersectionObserver(
    (entries) => {
        for (const { isIntersecting, target } of entries) {
            if (!isIntersecting || target.firstChild) continue;
            near.unobserve(target);
            (target.one.picture ? fillFace : fillPicture)(target, target.one);
        }
    },
    { rootMargin: "900px" },
);

function cardOf(one) {
    if (!one.card) {
        one.card = make("article", { className: "card" });
        one.card.setAttribute("aria-label", one.title);
        one.card.one = one;
        near.observe(one.card);
    }
    return one.card;
}
