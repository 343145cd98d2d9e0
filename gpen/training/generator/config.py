"""Configuration of a training run, read from a TOML file with one table for each class below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ....weights.registry import Task as TaskName
from ....weights.toml import tomllib
from ...degradation.degrade import Degradation
from ...errors import SettingsError
from ...faces.align import TEMPLATES
from ...network.config import GeneratorConfig
from ...values import require_choice, require_known, require_type

CONFIGS = Path(__file__).parent / "configs"

Precision = Literal["fp32", "bf16"]


def _require_positive(table: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(table, name) < math.inf:
            raise SettingsError(f"{name} of {type(table).__name__} must be above 0, got {getattr(table, name)}.")


def _require_not_negative(table: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(table, name) < math.inf:
            raise SettingsError(f"{name} of {type(table).__name__} must be 0 or more, got {getattr(table, name)}.")


@dataclass(frozen=True)
class Model:
    """The network. With `start`, its sizes are those of that checkpoint, and other sizes are ignored.

    Attributes:
        size, style_dim, n_mlp, channel_multiplier, narrow: parameters of the authors' code.
        start: a checkpoint to start from; empty: random weights.
        template: alignment template of the faces, written to the output.
        task: what it is taught, see `lessons.py`; written to the output.
    """

    size: int = 256
    style_dim: int = 512
    n_mlp: int = 8
    channel_multiplier: float = 1.0
    narrow: float = 0.5
    start: str = ""
    template: str = "ffhq"
    task: TaskName = "restoration"

    def __post_init__(self) -> None:
        require_choice("task", self.task, get_args(TaskName))
        require_choice("template", self.template, tuple(TEMPLATES))
        if self.size < 8 or self.size & (self.size - 1):
            raise SettingsError(f"size must be a power of two of 8 or more, got {self.size}.")
        _require_positive(self, "style_dim", "n_mlp", "channel_multiplier", "narrow")
        if min(self.shape().channels) < 1:
            raise SettingsError(f"narrow {self.narrow:g} leaves a level of GPEN-{self.size} without channels.")

    def shape(self) -> GeneratorConfig:
        """Configuration of the generator."""
        return GeneratorConfig.from_multipliers(
            self.size, self.style_dim, self.n_mlp, self.channel_multiplier, self.narrow
        )


@dataclass(frozen=True)
class Run:
    """Schedule of the training.

    Attributes:
        steps: number of steps.
        batch: faces per step, over all processes.
        partners: number of degraded versions of each face.
        seed: random seed of weights, order and degradation.
        rate: peak learning rate of Adam.
        warm: steps of the linear warm-up, followed by a cosine decay to a hundredth.
        average: decay of the averaged weights, which are the result.
        interval: steps between saved states, measurements and sample sheets.
        measured: number of held-out faces to measure.
        workers: processes that make pairs; 0: the training process itself.
        precision: number format of the convolutions; bf16 uses autocast.
        compile: whether to use torch.compile, which takes a minute at the start.
    """

    steps: int = 100_000
    batch: int = 8
    partners: int = 5
    seed: int = 1
    rate: float = 2e-3
    warm: int = 200
    average: float = 0.999
    interval: int = 500
    measured: int = 48
    workers: int = 1
    precision: Precision = "bf16"
    compile: bool = False

    def __post_init__(self) -> None:
        _require_positive(self, "steps", "batch", "partners", "rate", "warm", "interval", "measured")
        if not 0 <= self.average < 1:
            raise SettingsError(f"average must be in 0..1, excluding 1, got {self.average:g}.")
        _require_not_negative(self, "workers", "seed")


@dataclass(frozen=True)
class Losses:
    """Weights of the losses (see `losses.py`); losses with weight 0 are not computed.

    Attributes:
        smooth_l1, focal_frequency, band_energy, band_agreement: losses on the picture.
        adversarial: loss of the discriminator.
        features: perceptual loss with torchvision's VGG-16, and `identity`: with facexlib's ArcFace, if their files are
            on this machine.
        parts: weight of each facial part in the two band terms.
        gains: target energy of each part relative to the original's.
    """

    smooth_l1: float = 1.0
    focal_frequency: float = 0.1
    band_energy: float = 0.005
    band_agreement: float = 0.01
    adversarial: float = 0.01
    features: float = 0.0
    identity: float = 0.0
    parts: Mapping[str, float] = field(default_factory=lambda: {"eyes": 1.0, "lips": 0.8, "skin": 0.4, "hair": 0.4})
    gains: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [entry.name for entry in fields(self) if entry.name not in ("parts", "gains")]
        _require_not_negative(self, *names)
        if not any(getattr(self, name) for name in names if name != "adversarial"):
            raise SettingsError("At least one loss on the picture must have a weight above 0.")
        if min(self.parts.values(), default=0) < 0 or min(self.gains.values(), default=1) <= 0:
            raise SettingsError("parts must not be below 0, and gains must be above it.")


@dataclass(frozen=True)
class Adversary:
    """Training of the discriminator.

    Attributes:
        start: step at which it starts.
        ramp: steps over which its weight in the generator's loss increases.
        width: ratio of its channels to the generator's.
        rate: learning rate; Adam without momentum, as in StyleGAN2.
        r1: weight of the R1 penalty, half of it times the squared gradient.
        r1_every: steps between penalties, whose weight compensates for it.
    """

    start: int = 0
    ramp: int = 200
    width: float = 1.0
    rate: float = 2e-3
    r1: float = 10.0
    r1_every: int = 16

    def __post_init__(self) -> None:
        _require_positive(self, "ramp", "width", "rate", "r1_every")
        _require_not_negative(self, "start", "r1")


@dataclass(frozen=True)
class TrainingConfig:
    """Configuration of a whole run."""

    model: Model = Model()
    run: Run = Run()
    losses: Losses = Losses()
    adversary: Adversary = Adversary()
    degradation: Degradation = Degradation()


def find_config(name: str) -> Path:
    """Path of a bundled configuration or of your own file.

    Raises:
        SettingsError: neither exists.
    """
    own = CONFIGS / f"{name}.toml"
    if own.is_file():
        return own
    if Path(name).is_file():
        return Path(name)
    known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.toml")))
    raise SettingsError(f"There is no training configuration {name}; give a TOML file or one of {known}.")


def read_config(path: Path) -> TrainingConfig:
    """Read a configuration.

    Raises:
        SettingsError: the file is not TOML, or a key is unknown or has the wrong type.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from error
    return _fill(TrainingConfig, tables, str(path))


def _fill(kind: type, values: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    require_known("entry", values, (entry.name for entry in fields(kind)), f"in {where}")
    return kind(**{name: _convert(hints[name], value, f"{where}, {name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if (is_dataclass(hint) or get_origin(hint) is Mapping) and not isinstance(value, dict):
        raise SettingsError(f"{where} must be a table.")
    if is_dataclass(hint):
        return _fill(hint, value, where)  # type: ignore[arg-type]
    if get_origin(hint) is Literal:
        return require_choice(where, value, get_args(hint))
    if get_origin(hint) is tuple:
        return tuple(require_type(where, value, list))
    if get_origin(hint) is Mapping:
        return {name: require_type(f"{where}, {name}", one, get_args(hint)[1]) for name, one in value.items()}
    return require_type(where, value, hint)
