"""Writes the files derived from the declarations of the settings: docs/settings.md, its Chinese twin, the tables in the
help pages of GPENSettings and GPENSavePreset, and the settings' texts in both locales.

    python tools/setting_texts.py

It needs no ComfyUI. tools/english_locale.py writes the English texts of other widgets.
"""

from __future__ import annotations

import json
from pathlib import Path

from english_locale import render

from gpen_blocks.gpen.settings import GROUPS, SETTINGS, Group, Setting, settings_of
from gpen_blocks.gpen.settings_zh import GROUPS as GROUPS_ZH
from gpen_blocks.gpen.settings_zh import TEXTS as TEXTS_ZH
from gpen_blocks.nodes.block_settings import ALL_SETTINGS, BLOCKS, SAVE_PRESET, Widget, setting_widgets

ROOT = Path(__file__).resolve().parents[1]

_PAGE = """# Settings

All settings of `gpen restore`, the class `Restorer` and the block **GPEN Face Restore**.
`tools/setting_texts.py` writes this page from `gpen/settings.py`, where each setting is declared.

- **Command line**: one option each, such as `gpen restore family.jpg --denoise 0.3`. `gpen detect` has those of
  "{find}". `--no-` turns a switch off, as in `--no-rotated`.
- **Python**: one keyword each, such as `Restorer(denoise=0.3)` or `gpen_blocks.Settings(denoise=0.3)`.
- **ComfyUI**: one widget each in **GPEN Settings**. Single blocks have the widgets they need.
- **Presets**: one key each in the `settings` of the file. Options and keywords take precedence.

These are the defaults of the whole chain; the preset `natural`, which is used where none is named, holds them. A
function of the library that does a single step, such as `finish`, is called for its effect, and may have another
default, which its documentation states.

{tables}

## Single blocks

Widgets with another name or another default than their setting:

| block | widget | setting | default | why different |
|---|---|---|---|---|
{blocks}

## Earlier names

They still work.

| earlier | now |
|---|---|
{old}
| `landmarks68` of presets, Python and GPEN Save Preset: on, off | `landmark_network`: `wflw`, `bundled` |

`landmarks68` of **GPEN Detect Faces** is not a setting: it decides whether 68 landmarks are searched at all.
"""

_PAGE_ZH = """# 设置

`gpen restore`、`Restorer` 类以及“GPEN 人脸修复”节点的全部设置。本页由 `tools/setting_texts.py` 根据 `gpen/settings.py`
生成，每项设置都在那里声明。

- **命令行**：每项一个选项，如 `gpen restore family.jpg --denoise 0.3`。`gpen detect` 接受“{find}”中的各项。
  开关用 `--no-` 关闭，如 `--no-rotated`。
- **Python**：每项一个关键字参数，如 `Restorer(denoise=0.3)` 或 `gpen_blocks.Settings(denoise=0.3)`。
- **ComfyUI**：“GPEN 设置”中每项一个控件。各单独节点只有所需的控件。
- **预设**：文件的 `settings` 中每项一个键。选项和关键字参数优先于预设。

以上是整个流程的默认值，即预设 `natural` 的内容；未指定预设时使用该预设。库中只做一步的函数（如 `finish`）正是为其
效果而调用，默认值可能不同，见其说明。

{tables}

## 单独节点

名称或默认值与设置不同的控件：

| 节点 | 控件 | 设置 | 默认值 | 为何不同 |
|---|---|---|---|---|
{blocks}

## 旧名称

仍然有效。

| 旧 | 新 |
|---|---|
{old}
| 预设、Python 和“GPEN 保存预设”的 `landmarks68`：开、关 | `landmark_network`：`wflw`、`bundled` |

“GPEN 检测人脸”的 `landmarks68` 不是设置：它决定是否查找 68 个关键点。
"""


def written() -> dict[Path, str]:
    """What each file is to hold."""
    docs, help_pages, locales = ROOT / "docs", ROOT / "nodes" / "web" / "docs", ROOT / "locales"
    tables = {
        page: _with_rows(page.read_text(encoding="utf-8"), block, chinese=page.stem == "zh")
        for block in (ALL_SETTINGS, SAVE_PRESET)
        for page in (help_pages / f"{block}.md", help_pages / block / "zh.md")
    }
    return {
        docs / "settings.md": _page(chinese=False),
        docs / "settings.zh-CN.md": _page(chinese=True),
        **tables,
        **{
            file: _locale(file.read_text(encoding="utf-8"), chinese=language == "zh")
            for language in ("en", "zh")
            for file in (locales / language / "nodeDefs.json",)
        },
    }


def _page(*, chinese: bool) -> str:
    groups = GROUPS_ZH if chinese else GROUPS
    tables = "\n\n".join(f"## {groups[group]}\n\n{_table(group, chinese=chinese)}" for group in GROUPS)
    old = {"faces": "indices", **{old: _dashed(one.name) for one in SETTINGS.values() for old in one.old_options}}
    return (_PAGE_ZH if chinese else _PAGE).format(
        find=groups["find"],
        tables=tables,
        blocks="\n".join(_block_rows(chinese=chinese)),
        old="\n".join(f"| `--{before}` | `--{now}` |" for before, now in old.items()),
    )


def _table(group: Group, *, chinese: bool) -> str:
    head = "| 设置 | 取值 | 默认值 | 作用 |" if chinese else "| setting | values | default | |"
    rows = (_row(setting, chinese=chinese) for setting in settings_of(group))
    return "\n".join([head, "|---|---|---|---|", *rows])


def _row(setting: Setting, *, chinese: bool) -> str:
    label, help_zh = TEXTS_ZH[setting.name]
    name = f"{label} `{setting.name}`" if chinese else f"`{setting.name}`"
    default = _default(setting, setting.default, chinese=chinese)
    return f"| {name} | {_values(setting, chinese=chinese)} | {default} | {help_zh if chinese else setting.help} |"


def _values(setting: Setting, *, chinese: bool) -> str:
    if setting.choices:
        return ("、" if chinese else ", ").join(f"`{choice}`" for choice in setting.choices)
    if setting.range is None:
        return "开、关" if chinese else "on, off"
    low, high = setting.range
    units = {"pixels": "像素", "faces": "张"}
    unit = f" {units[setting.unit] if chinese else setting.unit}" if setting.unit else ""
    return f"{low:g} {'至' if chinese else 'to'} {high:,.15g}{unit}"


def _default(setting: Setting, value: object, *, chinese: bool) -> str:
    if isinstance(value, bool):
        return ("开" if value else "关") if chinese else ("on" if value else "off")
    return f"`{value}`" if setting.choices else f"{value:g}"


def _block_rows(*, chinese: bool) -> list[str]:
    names = json.loads((ROOT / "locales" / ("zh" if chinese else "en") / "nodeDefs.json").read_text(encoding="utf-8"))
    return [
        f"| {names[block]['display_name']} | `{widget_id}` | `{widget.setting}` "
        f"| {_default(widget.declaration, widget.shown_default, chinese=chinese)} "
        f"| {widget.reason[chinese] or ('默认值相同' if chinese else 'same default')} |"
        for block in BLOCKS
        if block != SAVE_PRESET
        for widget_id, widget in setting_widgets(block).items()
        if widget_id != widget.setting or widget.default is not None
    ]


def _with_rows(page: str, block: str, *, chinese: bool) -> str:
    """A help page with a row for each setting of its block, behind that of `preset` and before that of `reset`."""
    lines = page.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("|") and "`preset` |" in line) + 1
    last = next(n for n in range(first, len(lines)) if not lines[n].startswith("|") or "`reset` |" in lines[n])
    rows = [
        f"| {_label_zh(widget)} `{widget_id}` | {_tooltip_zh(widget)} |"
        if chinese
        else f"| `{widget_id}` | {widget.tooltip} |"
        for widget_id, widget in setting_widgets(block).items()
    ]
    return "\n".join([*lines[:first], *rows, *lines[last:]]) + "\n"


def _locale(text: str, *, chinese: bool) -> str:
    """A locale with the texts of the settings' widgets; labels of widgets under another name stay as they are."""
    blocks = json.loads(text)
    for block in BLOCKS:
        inputs, widgets = blocks[block]["inputs"], setting_widgets(block)
        if block in (ALL_SETTINGS, SAVE_PRESET):
            before, after = (
                {name: entry for name, entry in inputs.items() if name in others}
                for others in (("name", "description", "overwrite", "preset"), ("reset",))
            )
            blocks[block]["inputs"] = inputs = {
                **before,
                **{widget_id: inputs.get(widget_id, {}) for widget_id in widgets},
                **after,
            }
        for widget_id, widget in widgets.items():
            if chinese:
                own = widget_id == widget.setting or widget.label[1] or not inputs[widget_id]
                name = _label_zh(widget) if own else inputs[widget_id]["name"]
                inputs[widget_id] = {"name": name, "tooltip": _tooltip_zh(widget)}
            else:
                inputs[widget_id] = {"name": widget.label[0] or widget_id, "tooltip": widget.tooltip}
    return f"{render(blocks)}\n"


def _label_zh(widget: Widget) -> str:
    return widget.label[1] or TEXTS_ZH[widget.setting][0]


def _tooltip_zh(widget: Widget) -> str:
    return f"{TEXTS_ZH[widget.setting][1]}{widget.more[1]}"


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def main() -> None:
    for file, text in written().items():
        file.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
