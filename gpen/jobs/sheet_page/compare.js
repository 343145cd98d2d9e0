// Comparing: two pictures on each other, and a line between them.

// Pixels that a finger moves to the side before it moves the line.
const SURE = 6;

function compare({ before, after, size, name, always }) {
    const [width, height] = size ?? [1, 1];
    const isPair = Boolean(before && after);
    const box = make("div", { className: `compare ${isPair ? "pair" : ""}` });
    box.style.aspectRatio = `${width} / ${height}`;
    const image = (source, className, alt) =>
        make("img", { className, alt, loading: "lazy", decoding: "async", draggable: false, src: source });
    if (!isPair) {
        box.append(image(before ?? after, "", `${name}, ${before ? "before" : "after"}`));
        return box;
    }
    const range = make("input", { type: "range", min: 0, max: 100, step: "any", value: 50 });
    range.setAttribute("aria-label", `${name}: share of before`);
    const move = () => box.style.setProperty("--at", `${range.value}%`);
    range.addEventListener("input", move);
    range.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -4, ArrowDown: -4, ArrowRight: 4, ArrowUp: 4 }[event.key];
        if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        range.value = Number(range.value) + step;
        move();
    });
    const follow = (event) => {
        const { left, width: across } = box.getBoundingClientRect();
        range.value = (100 * (event.clientX - left)) / across;
        move();
    };
    // A finger that moves up or down scrolls the page: the browser cancels it after the first steps.
    let from = null;
    box.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        range.focus({ preventScroll: true, focusVisible: false });
        if (event.pointerType === "mouse") event.preventDefault();
        box.setPointerCapture(event.pointerId);
        if (event.pointerType === "touch") from = event.clientX;
        else follow(event);
    });
    box.addEventListener("pointermove", (event) => {
        if (!box.hasPointerCapture(event.pointerId) || (from !== null && Math.abs(event.clientX - from) < SURE)) return;
        from = null;
        follow(event);
    });
    box.addEventListener("pointerup", (event) => {
        if (from !== null) follow(event);
        from = null;
    });
    box.addEventListener("pointercancel", () => (from = null));
    const shown = always ? " always" : "";
    box.append(
        image(before, "before", `${name}, before`),
        image(after, "after", `${name}, after`),
        range,
        make("span", { className: "line" }),
        make("span", { className: `tag left${shown}`, textContent: "before" }),
        make("span", { className: `tag right${shown}`, textContent: "after" }),
    );
    return box;
}
