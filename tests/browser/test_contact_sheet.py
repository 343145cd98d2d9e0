"""The page of a contact sheet in a headless Chromium, opened from disk: slider, filters, orders, large view, keys."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import a_face, run_small_job, write_noise
from PIL import Image

from gpen_blocks.gpen.jobs.contact_sheet import write_contact_sheet

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "x <img src=x onerror='window.broken=1'>&amp;\u202egpj.png"


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    found = {
        "a little.png": [a_face(20, 20, 60, change=3)],
        "a lot.png": [a_face(20, 20, 60, change=40), a_face(110, 20, 60, change=8)],
        "alone.png": [a_face(20, 20, 60, left_alone="sharp already")],
        HOSTILE: [a_face(20, 20, 60, change=12)],
    }
    for number, name in enumerate((*found, "empty.png")):
        write_noise(folder / "in" / name, seed=number)
    (folder / "in" / "failed.png").write_bytes(b"")
    run_small_job(folder / "in", folder / "out", found)
    return write_contact_sheet(folder / "out", folder / "sheet.html").page


def wait_until(page: Any, condition: str, argument: Any = None) -> None:
    """Playwright's own waiting uses `eval`, which the policy of the page forbids."""
    for _ in range(200):
        if page.evaluate(condition, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {condition}")


class Page:
    """The page, and what a user sees of it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda entry: self.errors.append(entry.text) if entry.type in ("error", "warning") else None)
        page.on("request", lambda request: self.asked.append(request.url))

    @property
    def names(self) -> list[str]:
        return self.page.eval_on_selector_all(".card", "cards => cards.map((card) => card.getAttribute('aria-label'))")

    def choose(self, words: str) -> None:
        self.page.locator("header label", has_text=words).click()

    def share(self, index: int = 0) -> float:
        """Where the line of a card is, as a share of its picture, as drawn."""
        box, line = (self.page.locator(f".card .{name}").nth(index).bounding_box() for name in ("compare", "line"))
        return (line["x"] + line["width"] / 2 - box["x"]) / box["width"]

    def colour(self, index: int, across: float) -> float:
        """Mean brightness of a stripe of a card's picture, as drawn."""
        shot = Image.open(io.BytesIO(self.page.locator(".card .compare").nth(index).screenshot())).convert("L")
        pixels = np.asarray(shot, float)
        place = int(across * shot.width)
        return float(pixels[10 : int(shot.height * 0.6), max(0, place - 4) : place + 4].mean())


@pytest.fixture
def opened(chromium: Any, sheet: Path) -> Iterator[Page]:
    tab = chromium.new_page(viewport={"width": 1300, "height": 900})
    page = Page(tab)
    tab.goto(sheet.as_uri())
    tab.wait_for_selector(".card img")
    yield page
    assert page.errors == []
    assert all(url.startswith(("file:", "data:")) for url in page.asked)
    assert not tab.evaluate("'broken' in window")
    tab.close()


def test_sorting_and_reversing(opened):
    hostile = HOSTILE.replace("\u202e", "\\u202e")
    assert opened.names[:3] == ["a lot.png", hostile, "a little.png"]
    opened.page.click("#reverse")
    changed = [name for name in opened.names if name != "failed.png"]
    assert changed[-3:] == ["a little.png", hostile, "a lot.png"]
    opened.page.select_option("#sort", "name")
    assert opened.names == ["a little.png", "a lot.png", "alone.png", "empty.png", "failed.png", hostile]
    assert opened.page.eval_on_selector_all("#sort option", "found => found.map((one) => one.value)") == [
        "change",
        "sharpness",
        "name",
    ], "the journal has no identity"


def test_filters_and_names(opened):
    for words, expected in (
        ("Failed", ["failed.png"]),
        ("Left alone", ["alone.png"]),
        ("Without a face", ["empty.png"]),
        ("Restored", ["a little.png", "a lot.png", HOSTILE.replace("\u202e", "\\u202e")]),
    ):
        opened.choose(words)
        assert sorted(opened.names) == sorted(expected)
    opened.page.fill("#search", "LITTLE")
    assert opened.names == ["a little.png"]
    assert opened.page.inner_text("#counts") == "1 of 6 pictures"
    opened.page.fill("#search", "nobody")
    assert opened.page.is_visible("#empty")


def test_the_slider_follows_the_mouse_and_the_keys(opened):
    box = opened.page.locator(".card .compare").first.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=4)
    opened.page.mouse.up()
    assert opened.share() == pytest.approx(0.9, abs=0.01)
    # Within the first face of "a lot.png": before until the line comes by.
    before = opened.colour(0, 0.25)
    opened.page.mouse.click(box["x"] + box["width"] * 0.05, box["y"] + 40)
    assert opened.colour(0, 0.25) > before + 8
    opened.page.keyboard.press("ArrowRight")
    assert opened.share() == pytest.approx(0.09, abs=0.01)


def test_a_finger_moves_the_slider_and_scrolls_the_page(chromium, sheet):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = Page(context.new_page())
    page.page.goto(sheet.as_uri())
    page.page.wait_for_selector(".card img")
    box = page.page.locator(".card .compare").first.bounding_box()
    page.page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + 50)
    assert page.share() == pytest.approx(0.8, abs=0.01)
    devtools = context.new_cdp_session(page.page)

    def swipe(across: float, down: float) -> None:
        x, y = box["x"] + box["width"] * 0.5, box["y"] + 120
        for step in range(9):
            finger = {"x": x + across * step / 8, "y": y + down * step / 8}
            kind = "touchMove" if step else "touchStart"
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [finger]})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(-0.3 * box["width"], 0)
    assert page.share() == pytest.approx(0.2, abs=0.01)
    swipe(0, -250)
    wait_until(page.page, "scrollY > 100")
    assert page.share() == pytest.approx(0.2, abs=0.01)
    assert page.errors == []
    context.close()


def test_before_and_after_for_all(opened):
    opened.choose("Before")
    before = opened.colour(0, 0.25)
    opened.page.keyboard.press("a")
    assert opened.colour(0, 0.25) > before + 8
    assert opened.page.is_checked("#shows input[value=after]")


def test_failures_have_their_reasons_and_nothing_is_hidden(opened):
    opened.choose("Failed")
    why = opened.page.locator(".card .why")
    assert why.is_visible()
    assert "failed.png" in why.inner_text() and "is not a known picture" in why.inner_text()
    opened.choose("All")
    for picture in opened.page.locator(".card img").all():
        picture.scroll_into_view_if_needed()
        wait_until(opened.page, "(image) => image.complete && image.naturalWidth > 1", picture.element_handle())


def test_faces_by_themselves(opened):
    opened.choose("Faces")
    assert len(opened.names) == 5
    assert opened.names[0] == "a lot.png, face 0"
    opened.choose("Left alone")
    assert opened.names == ["alone.png, face 0"]


def test_the_large_view_shows_the_files_and_closes(opened, sheet):
    page = opened.page
    page.locator(".card .name").first.click()
    assert page.inner_text("#viewer-place") == "1 / 6"
    wait_until(page, "document.querySelector('#stage img.after').src.includes('/out/a%20lot.png')")
    page.keyboard.press("z")
    assert page.evaluate("document.querySelector('#stage .compare').clientWidth") == 200, "one pixel for each"
    page.set_viewport_size({"width": 500, "height": 900})
    page.locator("#viewer-faces .face").nth(1).click()
    middle = page.evaluate(
        "() => { const [stage, box] = ['#stage', '#stage .compare'].map((e) => document.querySelector(e)"
        ".getBoundingClientRect()); return (stage.left + stage.width / 2 - box.left) / box.width; }"
    )
    assert middle == pytest.approx(140 / 200, abs=0.02), "the face is in the middle"
    assert page.evaluate(
        "() => { const [line, stage] = ['#stage .line', '#stage'].map((e) => document.querySelector(e)"
        ".getBoundingClientRect()), bottom = Math.min(line.bottom, stage.bottom); return"
        " document.elementFromPoint(innerWidth / 2, bottom - 20).matches('#stage .line'); }"
    ), "and so is the line, with its knob within the window"
    page.keyboard.press("n")
    assert page.inner_text("#viewer-place") == "2 / 6"
    assert "\u202e" not in page.inner_text("#viewer-name")
    page.keyboard.press("Escape")
    assert not page.is_visible("#viewer")


def test_a_reload_shows_the_same(opened):
    opened.choose("Restored")
    opened.page.select_option("#sort", "name")
    before = opened.names
    opened.page.reload()
    opened.page.wait_for_selector(".card img")
    assert opened.names == before and len(before) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_how_it_looks(chromium, sheet, scheme, width):
    """Nothing is wider than the window, and texts can be read (WCAG 2.2: contrast of 4.5)."""
    tab = chromium.new_page(viewport={"width": width, "height": 850}, color_scheme=scheme)
    tab.goto(sheet.as_uri())
    tab.wait_for_selector(".card .facts")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = tab.evaluate(
        """() => {
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const luminance = (...colours) => {
                for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) =>
                    value / 255 <= 0.04045 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = (element) => element ? [...behind(element.parentElement),
                getComputedStyle(element).backgroundColor] : ["white"];
            return [...document.querySelectorAll("h1, #counts, label, .name, .facts, .why, .missing, summary")]
                .filter((element) => element.checkVisibility())
                .map((element) => {
                    const back = behind(element);
                    const [a, b] = [luminance(...back), luminance(...back, getComputedStyle(element).color)];
                    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent];
                });
        }"""
    )
    assert len(contrasts) > 15
    assert [words for contrast, words in contrasts if contrast < 4.5] == []
    artifacts = ROOT / "artifacts"
    artifacts.mkdir(exist_ok=True)
    tab.screenshot(path=artifacts / f"contact-sheet-{scheme}-{width}.png")
    tab.close()


def test_thousands_of_pictures_open_at_once(chromium, sheet):
    """Cards are filled as they come near the window, and pictures are loaded then."""
    head, data, tail = re.split(r'(?<=id="data">)(.*?)(?=</script>)', sheet.read_text(encoding="utf-8"), maxsplit=1)
    told = json.loads(data)
    told["pictures"] = [{**one, "name": f"{n}-{one['name']}"} for n in range(500) for one in told["pictures"]]
    many = sheet.with_name("many.html")
    many.write_text(head + json.dumps(told).replace("<", "\\u003c") + tail, encoding="utf-8")
    tab = chromium.new_page(viewport={"width": 1300, "height": 900})
    page = Page(tab)
    tab.goto(many.as_uri())
    tab.wait_for_selector(".card img")
    assert len(page.names) == 3000
    assert tab.locator(".card img").count() < 200
    assert len(page.asked) < 200
    seconds = tab.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd / 1000")
    assert seconds < 3, "0.7 s beside seven busy processes"
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    wait_until(tab, "document.querySelector('.card:last-child img, .card:last-child .nothing')")
    tab.close()
