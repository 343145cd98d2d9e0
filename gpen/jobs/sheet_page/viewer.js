// The large view shows the files themselves, and their thumbnails where the browser cannot.

const viewer = {
    dialog: byId("viewer"),
    picture: null,
    face: null,
    zoom: "fit",
    fit() {
        const stage = byId("stage");
        const [width, height] = this.picture.size ?? [1, 1];
        return Math.min(stage.clientWidth / width, stage.clientHeight / height);
    },
    scale() {
        if (this.zoom !== "face") return this.zoom === "fit" ? this.fit() : Number(this.zoom);
        const stage = byId("stage");
        const [x0, y0, x1, y1] = this.face.box;
        const [width, height] = this.picture.size;
        return Math.min(stage.clientWidth / (1.7 * width * (x1 - x0)), stage.clientHeight / (1.7 * height * (y1 - y0)), 8);
    },
    open(picture, face = null) {
        this.picture = picture;
        this.face = face?.box ? face : null;
        this.zoom = this.face ? "face" : "fit";
        if (!this.dialog.open) this.dialog.showModal();
        const unique = [...new Set(listed.map((one) => one.picture ?? one))];
        const place = unique.indexOf(picture);
        byId("viewer-name").textContent = picture.title;
        byId("viewer-name").title = picture.source;
        byId("viewer-place").textContent = `${place + 1} / ${unique.length}`;
        byId("previous").disabled = place <= 0;
        byId("next").disabled = place >= unique.length - 1;
        this.neighbours = [unique[place - 1], unique[place + 1]];
        const link = (href, words) => (href ? make("a", { href, target: "_blank", rel: "noopener", textContent: words }) : null);
        byId("viewer-files").replaceChildren(...[link(picture.sourceLink, "source"), link(picture.outputLink, "result")].filter(Boolean));
        byId("viewer-faces").replaceChildren(...faceStrip(picture, (one) => this.open(picture, one)));
        byId("viewer-told").replaceChildren(...told(picture));
        this.draw();
    },
    draw() {
        const { before, after, unchanged, size, title } = this.picture;
        const stage = byId("stage");
        if (!before && !after) {
            stage.replaceChildren(make("p", { className: "nothing", textContent: "There is no picture to show." }));
            return;
        }
        const shown = unchanged && after ? { after } : { before, after };
        const box = compare({ ...shown, size, name: title, always: true });
        stage.replaceChildren(box);
        this.sharpen(box, shown);
        this.place();
        (box.querySelector("input") ?? byId("close")).focus({ preventScroll: true, focusVisible: false });
    },
    /** Replace the thumbnails by the files as these arrive. */
    sharpen(box, shown) {
        const links = { before: this.picture.sourceLink, after: this.picture.outputLink };
        const images = box.querySelectorAll("img");
        Object.keys(shown)
            .filter((when) => shown[when])
            .forEach((when, number) => {
                if (!links[when]) return;
                const whole = new Image();
                whole.onload = () => (images[number].src = whole.src);
                whole.onerror = () => {
                    if (this.picture && box.isConnected && !byId("thumbnails-told"))
                        byId("viewer-told").append(
                            make("p", { id: "thumbnails-told", className: "missing", textContent: "A thumbnail is shown where the browser cannot show the file itself." }),
                        );
                };
                whole.src = links[when];
            });
    },
    place() {
        const box = byId("stage").querySelector(".compare");
        if (!box) return;
        const stage = byId("stage");
        const [width, height] = this.picture.size;
        const scale = this.scale();
        box.style.width = `${width * scale}px`;
        box.style.height = `${height * scale}px`;
        box.classList.toggle("large", this.zoom !== "fit");
        const [x0, y0, x1, y1] = this.face?.box ?? [0, 0, 1, 1];
        const range = box.querySelector("input");
        if (range && this.zoom === "face") {
            range.value = 50 * (x0 + x1);
            range.dispatchEvent(new Event("input"));
        }
        stage.scrollLeft = ((x0 + x1) / 2) * width * scale - stage.clientWidth / 2;
        stage.scrollTop = ((y0 + y1) / 2) * height * scale - stage.clientHeight / 2;
        for (const input of document.querySelectorAll("#zooms input")) input.checked = input.value === this.zoom;
        this.keepInSight();
    },
    /** The knob and the words stay at the edges of the window when the picture is larger. */
    keepInSight() {
        const box = byId("stage").querySelector(".compare");
        if (!box) return;
        const [inner, outer] = [box.getBoundingClientRect(), byId("stage").getBoundingClientRect()];
        const beyond = { below: inner.bottom - outer.bottom, leftmost: outer.left - inner.left, rightmost: inner.right - outer.right };
        for (const [side, pixels] of Object.entries(beyond)) box.style.setProperty(`--${side}`, `${Math.max(pixels, 0) + 8}px`);
    },
    zoomTo(zoom) {
        this.zoom = zoom;
        this.place();
    },
    go(step) {
        const picture = this.neighbours[step < 0 ? 0 : 1];
        if (picture) this.open(picture);
    },
};
const ZOOMS = { fit: "Fit", 1: "100 %", 2: "200 %" };

for (const [value, words] of Object.entries(ZOOMS).sort(([a], [b]) => (b === "fit") - (a === "fit"))) {
    const input = make("input", { type: "radio", name: "zoom", value });
    input.addEventListener("change", () => viewer.zoomTo(value));
    byId("zooms").append(make("label", {}, input, words));
}
byId("previous").addEventListener("click", () => viewer.go(-1));
byId("next").addEventListener("click", () => viewer.go(1));
byId("close").addEventListener("click", () => viewer.dialog.close());
viewer.dialog.addEventListener("close", () => {
    const { picture } = viewer;
    byId("stage").replaceChildren();
    const one = listed.find((each) => each === picture || (each.picture === picture && (!viewer.face || each === viewer.face)));
    if (one) goTo(one);
});
byId("stage").addEventListener("scroll", () => viewer.keepInSight(), { passive: true });
addEventListener("resize", () => viewer.dialog.open && viewer.place());
