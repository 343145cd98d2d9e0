"""Command-line options derived from the settings, and help that shows them in groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from ..settings import GROUPS, SETTINGS, Group, Setting, value_in_words

Command = TypeVar("Command", bound=Callable[..., None])


def takes_settings(*groups: Group) -> Callable[[Command], Command]:
    """Add an option to a command for each setting of these groups; without groups, for all settings.

    The command receives them as `**settings`; `set_options` selects those that the user gave.
    """

    def extend(command: Command) -> Command:
        # typer reads the signature, with its annotations evaluated.
        own = inspect.signature(command, eval_str=True)
        fixed = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        wanted = (setting for group in groups or GROUPS for setting in SETTINGS.values() if setting.group == group)
        added = [
            inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(setting))
            for setting in wanted
        ]
        command.__signature__ = own.replace(parameters=[*fixed, *added])  # type: ignore[attr-defined]
        return command

    return extend


def set_options(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that the user gave; all others keep the values of the preset."""
    return {name: value for name, value in settings.items() if value is not None}


def _option(setting: Setting) -> Any:
    kind, name = type(setting.default), _dashed(setting.name)
    switch = kind is bool
    return Annotated[
        kind | None,
        typer.Option(
            f"--{name}/--no-{name}" if switch else f"--{name}",
            *(f"--{old}" for old in setting.old_options),
            # The default of the option is None, so that the value of a preset is kept.
            help=f"{setting.help}  [default: {value_in_words(setting.default)}]",
            metavar=None if switch else values_of(setting),
            show_default=False,
            rich_help_panel=GROUPS[setting.group],
        ),
    ]


def values_of(setting: Setting) -> str:
    """Allowed values of an option: choices, a range, or only the unit if the range is practically unlimited."""
    if setting.choices:
        return "|".join(setting.choices)
    if setting.range is None:
        return "on|off"
    low, high = setting.range
    return setting.unit.upper() if type(setting.default) is int else f"{low:g}..{high:g}"


def _dashed(name: str) -> str:
    return name.replace("_", "-")


# `--faces` is the earlier name of `--indices`.
_OLD_NAMES = (", --faces", *(f", --{old}" for setting in SETTINGS.values() for old in setting.old_options))


class GroupedCommand(TyperCommand):
    """A command whose help shows its options grouped by panel.

    As `rich_help_panel` does, but without rich, whose import takes longer than the rest of `--help`. Earlier names of
    options still work but are not shown.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            plain = "Arguments" if param.param_type_name == "argument" else "Options"
            title = getattr(param, "rich_help_panel", None) or plain
            sections.setdefault(title, []).append((_without_old_names(record[0]), record[1]))
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _without_old_names(names: str) -> str:
    for old in _OLD_NAMES:
        names = names.replace(old, "")
    return names
