"""The chain for files, arrays and PIL images."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .backends import Backend, Network, Precision, expect
from .choices import LANCZOS, require_enlargement
from .devices import select_device
from .enlarging import load_enlargement
from .errors import SettingsError
from .faces.detection import FaceDetector
from .images import Picture, area_of, from_array, mask_of, open_picture, to_array, write_picture
from .models import LoadedModel
from .pipeline import restore_batch
from .presets import DEFAULT_NAME, Preset, load_preset
from .progress import Progress, silent
from .report import batch_report
from .restore import restore_crops
from .restored import RestoredBatch
from .settings import Settings, change_settings
from .stages import Networks, load_networks
from .tasks import TASKS
from .types import Alignment, Faces
from .wording import count

if TYPE_CHECKING:
    from .video.live import LiveVideo


@dataclass(frozen=True, eq=False, repr=False)
class Restoration:
    """One restored picture.

    Attributes:
        faces: the selected faces; the report says for each whether it was restored, how much changed, or why nothing
            did.
        alignment: the alignment of each crop, in the order of `faces`.
        before: N x 3 x S x S in 0..1, the aligned crops.
        after: N x 3 x S x S in 0..1, the same crops restored.
        mask: 1 x 1 x H x W in 0..1; pixels outside it did not change.
        report: JSON-serialisable report of what was found and done: sizes and boxes in pixels, times in seconds.
        original: 1 x 3 x H x W in 0..1, the input picture.
        restored: 1 x 3 x H x W in 0..1, the result; the same tensor as `original` if nothing changed. If it was
            enlarged, its size is a multiple, and `faces`, `alignment` and `mask` belong to it.
        picture: the result with its file's metadata if the input was a path or `Picture`.
        source: the input.
    """

    faces: Faces
    alignment: tuple[Alignment, ...]
    before: torch.Tensor
    after: torch.Tensor
    mask: torch.Tensor
    report: dict[str, Any]
    original: torch.Tensor
    restored: torch.Tensor
    picture: Picture | None
    source: Any

    @cached_property
    def image(self) -> Any:
        """The result, of the same type as the input; for a path or `Picture`, an H x W x 3 array of the file's bit
        depth.
        """
        return self.picture.to_array() if self.picture else to_array(self.restored, like=self.source)

    def __repr__(self) -> str:
        height, width = self.original.shape[-2:]
        return f"Restoration({count(len(self.faces), 'face')} in {width} x {height} pixels)"

    def save(self, path: str | Path, *, quality: int | None = None) -> tuple[str, ...]:
        """Write the result; if the input was a path, with the depth, alpha and metadata of its file.

        Args:
            path: its suffix decides the format. An existing file is replaced, also the photograph itself.
            quality: quality of JPEG and lossy WebP, 1..100; by default see `write_picture`.

        Returns:
            One sentence for each content that the format of `path` cannot store.

        Raises:
            ImageError: the folder cannot be written to, the suffix names no known format, or `quality` is out of range.
        """
        return write_picture(self.picture or Picture(from_array(self.image)), path, quality=quality)


class Restorer:
    """Restore the faces of photographs; models are built once and shared.

    Args:
        model: a registry name, a path, or `auto`: the best generator on this machine.
        detector: a registry name, a path, or `auto`: the best detector on this machine.
        preset: the name of a preset, the path of a preset file, a `Preset`, or None for `natural`, whose
            settings are the defaults of `Settings`.
        device: `auto`, or a torch device such as `cuda:1`.
        backend, precision: for the generator, see `models.load_generator`; the precision is also that of a network in
            `background`.
        upscale: factor by which whole photographs are enlarged, 1 to 4; 1 leaves their size. Faces are restored at the
            enlarged size.
        background: what enlarges the rest of a photograph: `lanczos`, or the file of a network such as Real-ESRGAN,
            see `enlarging.load_upscaler`.
        **settings: fields of `Settings` that take precedence over the preset's.

    Raises:
        ModelNotFoundError: a model is not on this machine (nothing is downloaded here).
        SettingsError: a preset, a setting, the factor or the device does not exist.
        CheckpointError: the background is a file that is no network for enlarging.
        MissingPackageError: the background is a file, and spandrel is not installed.

    Example:
        >>> from gpen_blocks import Restorer
        >>> restorer = Restorer("gpen-lite-256", strength=0.8)
        >>> result = restorer.restore("examples/portrait-degraded.jpg")
        >>> result
        Restoration(1 face in 512 x 512 pixels)
        >>> result.save("restored.jpg")
        ()
    """

    def __init__(
        self,
        model: str = "auto",
        detector: str = "auto",
        preset: str | Path | Preset | None = None,
        device: str = "auto",
        backend: Backend = "auto",
        *,
        precision: Precision = "fp32",
        upscale: int = 1,
        background: str | Path = LANCZOS,
        **settings: Any,
    ) -> None:
        require_enlargement(upscale, str(background))
        loaded = preset if isinstance(preset, Preset) else load_preset(preset or DEFAULT_NAME)
        self._preset = replace(loaded, settings=change_settings(loaded.settings, settings))
        self.device = select_device(device)
        self.networks = load_networks(
            model, detector, settings=self.settings, device=self.device, backend=backend, precision=precision
        )
        self.enlargement = load_enlargement(upscale, background, device=self.device, precision=precision)

    @classmethod
    def of_networks(cls, networks: Networks, preset: Preset, device: torch.device) -> Restorer:
        """A restorer with networks that are loaded and placed by somebody else.

        Args:
            networks: those for the settings of the preset.
            preset: the settings.
            device: where the networks run.
        """
        made = cls.__new__(cls)
        made.networks, made._preset, made.device, made.enlargement = networks, preset, device, None
        return made

    @property
    def preset(self) -> str:
        """The name of the preset."""
        return self._preset.name

    @property
    def settings(self) -> Settings:
        """The settings of the preset with those that took precedence."""
        return self._preset.settings

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each oddity of the preset's file; each report has them."""
        return self._preset.notes

    @property
    def generator(self) -> LoadedModel[Network]:
        """The model that restores faces."""
        return self.networks.generator

    @property
    def detector(self) -> LoadedModel[FaceDetector]:
        """The model that finds faces."""
        return self.networks.detector

    def restore(
        self,
        image: Any,
        *,
        indices: str = "",
        only_here: Any = None,
        not_here: Any = None,
        batch_size: int = 0,
        pictures_left: int = 0,
        progress: Progress = silent,
    ) -> Restoration:
        """Restore the faces of one picture.

        Args:
            image: an RGB array H x W x 3 (or H x W, or H x W x 4) of uint8, uint16 or float in 0..1; a PIL image; a
                path; or a `Picture`.
            indices: numbers of the faces to restore, such as `0,2-4`; empty: all.
            only_here: a mask of the picture's size, of the kinds of `image`: faces change only where it is white (1);
                None: everywhere.
            not_here: another: faces do not change where it is white, such as a hand before a face; None: nowhere.
            batch_size: faces per forward pass; 0: as many as memory allows.
            pictures_left: number of pictures that will follow; with enough of them, the backend `auto` starts a faster
                one.
            progress: called regularly; an exception it raises ends the work.

        Raises:
            ImageError: the file cannot be read as a picture, or the array has a wrong shape, dtype or range.

        Example:
            >>> from gpen_blocks import Restorer
            >>> import numpy as np
            >>> from PIL import Image
            >>> picture = np.asarray(Image.open("examples/portrait-degraded.jpg"))
            >>> result = Restorer("gpen-lite-256").restore(picture)
            >>> result.image.shape, result.image.dtype
            ((512, 512, 3), dtype('uint8'))
            >>> result.after.shape
            torch.Size([1, 3, 256, 256])
            >>> outside = result.mask[0, 0].numpy() == 0
            >>> bool((result.image[outside] == picture[outside]).all())
            True
        """
        start = time.perf_counter()
        pixels, source = open_picture(image)
        read_seconds = time.perf_counter() - start
        only, out = (None if mask is None else mask_of(mask) for mask in (only_here, not_here))
        area = area_of(only, out, (pixels.shape[-2], pixels.shape[-1]))
        expect(self.generator.module, pictures_left=pictures_left)
        batch = restore_batch(
            pixels,
            self.networks,
            self.settings,
            indices=indices,
            area=area,
            batch_size=batch_size,
            jpeg_tables=[source.info.jpeg_tables] if source else None,
            enlarger=self.enlargement,
            progress=progress,
        )
        return self.complete(image, source, pixels, batch, indices=indices, read_seconds=read_seconds)

    def restore_video(
        self,
        source: str | Path,
        target: str | Path,
        *,
        trim: str = "",
        rate: str = "",
        indices: str = "",
        codec: str = "",
        crf: float | None = None,
        encoder_preset: str = "",
        hardware: bool = False,
        overwrite: bool = False,
        workers: int = 0,
        memory: int = 0,
        progress: Progress = silent,
    ) -> dict[str, Any]:
        """Restore the faces of a video, steadily over its frames, as `gpen video` does; see `video.restoring`.

        Stopped at any moment, the same call goes on.

        Args:
            source: the video, or a sequence of pictures: a folder, or a pattern such as `frame_%06d.png`.
            target: the result; its suffix decides the container. A folder or a pattern gives a sequence of pictures; a
                folder that is not there yet is a text with a slash at its end.
            trim: restore only a part, which becomes the whole of the result, such as `10-25.5` or `1:30-2:00`.
            rate: frames a second of a sequence of pictures, such as `24` or `30000/1001`; empty: 25.
            indices: numbers of the faces to restore in each shot, such as `0,2-4`; empty: all.
            codec: such as `h264`, `hevc`, `av1`, `vp9`, `prores` or `ffv1`; empty: that of the source.
            crf: quality in the scale of the encoder; lower is better. None: no difference is seen.
            encoder_preset: preset of the encoder, such as `slow`; empty: its usual one.
            hardware: encode by the graphics card, if one can.
            overwrite: replace a file that is there.
            workers: threads that work at once; 0: as many as there are cores, and 4 beside a GPU.
            memory: bytes that frames and the work on them may take; 0: half of what is free.
            progress: called with `follow` or `restore`, the number of frames that are done and of all, in the caller's
                thread; an exception that it raises ends the work.

        Returns:
            A JSON-serialisable report.

        Raises:
            VideoError: the source cannot be read, or the target cannot be written.
            JobError: another process makes the same result, or the folder of parts cannot be written.
            SettingsError: an option does not exist or is out of range.
            MissingPackageError: PyAV is not installed.
        """
        if self.enlargement is not None:
            raise SettingsError("A video keeps its size; leave upscale out.")
        from .video.files import EncoderSettings
        from .video.restoring import restore_video
        from .video.trim import Trim, parse_rate

        return restore_video(
            source,
            target,
            self,
            encoding=EncoderSettings(codec, crf, encoder_preset, hardware),
            trim=Trim.parse(trim),
            rate=parse_rate(rate) if rate else None,
            indices=indices,
            overwrite=overwrite,
            workers=workers,
            memory=memory,
            progress=progress,
        )

    def live(self, *, indices: str = "") -> LiveVideo:
        """Begin a video whose frames come one by one, such as those of a camera: each is restored at once, steadily.

        Args:
            indices: numbers of the faces to restore, such as `0,2-4`; empty: all. A face has its number as long as it
                is there.

        Raises:
            SettingsError: `indices` cannot be parsed, or a network for the settings is missing.

        Example:
            >>> import numpy as np
            >>> from PIL import Image
            >>> from gpen_blocks import Restorer
            >>> live = Restorer("gpen-lite-256").live()
            >>> frame = np.asarray(Image.open("examples/portrait-degraded.jpg"))
            >>> restored = live.restore(frame)
            >>> restored.shape, restored.dtype, len(live.faces)
            ((512, 512, 3), dtype('uint8'), 1)
        """
        from .video.live import LiveVideo

        return LiveVideo(self, indices=indices)

    def complete(
        self,
        image: Any,
        source: Picture | None,
        pixels: torch.Tensor,
        batch: RestoredBatch,
        *,
        indices: str = "",
        read_seconds: float = 0.0,
    ) -> Restoration:
        """The result of one picture that went through the chain outside of `restore`, such as in a job.

        Args:
            image: the input, as for `restore`.
            source: the picture of its file; None if it has none.
            pixels: 1 x 3 x H x W in 0..1, what the chain was given.
            batch: what came of it.
            indices: as for `restore`.
            read_seconds: time spent on reading.
        """
        made = batch.images
        picture = (source.enlarged(made) if batch.enlarger else source.with_pixels(made)) if source else None
        report = batch_report(batch, self.networks, self._preset, indices=indices)
        report["seconds"] = {"read": round(read_seconds, 4), **report["seconds"]}
        report["notes"] = [*(source.notes if source else ()), *report["notes"]]
        report |= {"device": str(self.device), "settings": report.pop("settings")}  # the settings stay last
        return Restoration(
            faces=batch.faces,
            alignment=batch.alignments,
            before=batch.before,
            after=batch.after,
            mask=batch.mask,
            report=report,
            original=pixels,
            restored=batch.images,
            picture=picture,
            source=image,
        )

    def restore_crops(self, crops: torch.Tensor, *, batch_size: int = 0) -> torch.Tensor:
        """Restore aligned crops.

        Args:
            crops: B x 3 x S x S in 0..1, aligned to the template of the model (`generator.template`).
            batch_size: faces per forward pass; 0 takes as many as memory allows.

        Returns:
            B x 3 x S x S in 0..1; S is the size of the model.

        Example:
            >>> import torch
            >>> from gpen_blocks import Restorer
            >>> crops = torch.full((2, 3, 256, 256), 0.5)
            >>> Restorer("gpen-lite-256").restore_crops(crops).shape
            torch.Size([2, 3, 256, 256])
        """
        return restore_crops(
            self.generator.module,
            crops,
            task=TASKS[self.generator.task],
            strength=self.settings.strength,
            keep_grayscale=self.settings.keep_grayscale,
            colour=self.settings.colour,
            batch_size=batch_size,
            place=self.networks.place,
        )
