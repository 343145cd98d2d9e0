"""Entry point through which ComfyUI loads this package's nodes."""

from __future__ import annotations

import shutil
from pathlib import Path

from comfy_api.latest import ComfyExtension, io

from ..gpen import presets
from ..weights import places
from ..weights.files import replacing
from . import replacements
from .align import AlignFaces
from .detect import DetectFaces, SelectFaces
from .draw import DrawFace, FaceMap
from .enhance import FrequencyBlend, LocalAdaptiveEnhance
from .inpaint import InpaintFaces, ProposeScratches
from .load import LoadFaceDetector, LoadFaceParser, LoadModel
from .parts import FacePartsMask
from .paste import PasteFaces
from .prepare import Finish, PrepareImage
from .presets import AllSettings, LoadPreset, SavePreset
from .progress import log
from .redraw import ColorizeFaces
from .restore import FaceRestore, RestoreFaces
from .spectrum import FrequencySpectrum
from .video import RestoreVideo

NODES: tuple[type[io.ComfyNode], ...] = (
    LoadModel,
    LoadFaceDetector,
    LoadFaceParser,
    DetectFaces,
    SelectFaces,
    AlignFaces,
    RestoreFaces,
    FrequencySpectrum,
    FrequencyBlend,
    LocalAdaptiveEnhance,
    PasteFaces,
    PrepareImage,
    Finish,
    FaceRestore,
    RestoreVideo,
    ColorizeFaces,
    ProposeScratches,
    InpaintFaces,
    FaceMap,
    DrawFace,
    FacePartsMask,
    LoadPreset,
    AllSettings,
    SavePreset,
)

# Folders below ComfyUI's `models` to search for model files; see `weights.places`.
_OWN_FOLDER = "gpen"
_MODEL_FOLDERS = ("facerestore_models", "facedetection", _OWN_FOLDER)

# The pictures and the video of the workflow templates: ComfyUI's own example does not show a photographed face.
_EXAMPLES_FOLDER = Path(__file__).resolve().parents[1] / "examples"
EXAMPLES = {
    "gpen-example.jpg": "portrait-degraded.jpg",
    **{
        f"gpen-example-{name}.jpg": f"{name}.jpg"
        for name in ("old-print", "group", "small-face", "diffusion-face", "snapshot-1990s")
    },
    "gpen-example.mp4": "living-room.mp4",
}
"""Names in ComfyUI's input folder, and the files of this package's folder `examples`."""


class GPENExtension(ComfyExtension):
    """All nodes of this package."""

    async def on_load(self) -> None:
        await replacements.register()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        # Not in on_load, which older versions of ComfyUI do not call.
        register_model_folders()
        places.set_host(model_folders)
        presets.set_user_folder(preset_folder)
        offer_examples()
        return list(NODES)


def register_model_folders() -> None:
    """Register the model folders with ComfyUI, including those on other drives configured by the user.

    The folder for the user's own files is created.
    """
    import folder_paths

    own = Path(folder_paths.models_dir) / _OWN_FOLDER
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.info(f"The folder for your own models, {own}, could not be created: {error}.")

    for name in _MODEL_FOLDERS:
        registered = folder_paths.folder_names_and_paths.get(name, ([], set()))
        folder = str(Path(folder_paths.models_dir) / name)
        paths = registered[0] if folder in registered[0] else [*registered[0], folder]
        extensions = registered[1] or set(folder_paths.supported_pt_extensions)
        folder_paths.folder_names_and_paths[name] = (paths, extensions)


def model_folders(name: str) -> list[Path]:
    """ComfyUI's folders of a given name; those on other drives configured by the user come first."""
    import folder_paths

    registered = folder_paths.folder_names_and_paths.get(name, ([], set()))[0]
    return [Path(folder) for folder in (*registered, Path(folder_paths.models_dir) / name)]


def preset_folder() -> Path:
    """Folder for presets in ComfyUI's user folder."""
    import folder_paths

    return Path(folder_paths.get_user_directory()) / "gpen-blocks" / "presets"


def offer_examples() -> None:
    """Copy the pictures of the templates to ComfyUI's input folder, but those that exist there."""
    import folder_paths

    for name, source in EXAMPLES.items():
        target = Path(folder_paths.get_input_directory()) / name
        try:
            if target.exists():
                continue
            # Atomic, since several instances of ComfyUI may share the folder.
            with replacing(target) as temporary:
                shutil.copyfile(_EXAMPLES_FOLDER / source, temporary)
        except OSError as error:
            log.info(f"The picture {name} of the templates could not be copied to {target.parent}: {error}.")
