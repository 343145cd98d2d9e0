"""`gpen doctor`: show what is installed, what works, and what to do next."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ..versions import package_version
from .terminal import alarming, bold, fine, rich_console, say


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Check this installation, restore the example portrait, and say what to do next.

    Exit code 0: faces can be restored; 1: something essential is broken. Nothing is downloaded.
    """
    from .diagnosis import examine

    diagnosis = examine()
    if as_json:
        verdict = {"works": diagnosis.works, "broken": diagnosis.broken, "next": diagnosis.advice}
        typer.echo(json.dumps({"version": package_version(), **diagnosis.facts, **verdict}, indent=2))
    else:
        _show_facts(diagnosis.facts)
        for sentence in diagnosis.broken:
            say(alarming("broken") + f" {sentence}")
        say(fine("Restoring works.") if diagnosis.works else alarming("Restoring does not work."))
        say(bold("What to do next"))
        for number, sentence in enumerate(diagnosis.advice, 1):
            say(f"  {number}. {sentence}")
    if not diagnosis.works:
        raise typer.Exit(1)


def _show_facts(facts: dict[str, Any]) -> None:
    python, folders = facts["python"], facts["folders"]
    say(bold(f"GPEN Blocks {package_version()}") + f" in {folders['package']}")
    say(f"Python {python['version']} ({python['executable']}) on {python['platform']}")
    _show_table(
        "Packages",
        [(p["name"], p["version"] or "-", p["problem"] or "works") for p in facts["packages"]]
        + [(e["name"], e["version"] or "-", f"optional: {e['purpose']}") for e in facts["extras"]],
    )
    _show_table("Devices", [(d["device"], d["name"], _gigabytes(d["memory"])) for d in facts.get("devices", ())])
    _show_table("Models", [(m["name"], m["kind"], _origin(m)) for m in facts.get("models", ())])
    _show_table(
        "Folders",
        [
            ("ComfyUI", folders["comfyui"] or "not inside it"),
            *(("models", folder) for folder in folders["models"]),
            ("downloads", f"{folders['downloads']} ({_gigabytes(folders['free_bytes'])} free)"),
            ("cache", folders["cache"]),
        ],
    )
    trials = facts.get("trials", ())
    _show_table("Example portrait", [(t["device"], f"{t['seconds']} s", t["problem"] or "restored") for t in trials])


def _show_table(title: str, rows: list[tuple[str, ...]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ..wording import printable

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    if rows:
        rich_console().print(table)


def _origin(model: dict[str, Any]) -> str:
    return "bundled" if model["bundled"] else model["path"] + ("" if model["verified"] else " (unverified)")


def _gigabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e9:.1f} GB"
