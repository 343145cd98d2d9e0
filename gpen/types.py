"""Records passed between the blocks.

Convention: points are (x, y) in pixels of the image they belong to, and the centre of the top-left pixel is (0, 0).
Sizes are (height, width). Images are float32 RGB tensors, B x 3 x H x W, in 0..1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

Size = tuple[int, int]
Box = tuple[float, float, float, float]


def _frozen(values: object, shape: tuple[int, ...], dtype: type, name: str) -> np.ndarray:
    array = np.array(values, dtype=dtype)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    array.setflags(write=False)
    return array


def invert_matrix(matrix: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix of the way back."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1)


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    Attributes:
        box: (x0, y0, x1, y1) in pixels.
        score: the detector's confidence, 0..1.
        landmarks: 5 x 2 float32, in pixels: left eye, right eye, nose, left and right mouth corner, as the viewer
            sees them (in an upside-down head, as the viewer of the upright head would).
        image_index: which image of the batch the face belongs to.
        landmarks68: 68 x 2 float32 in iBUG order, or None.
        wrong_way: whether the head is sideways or upside down although the landmarks do not show it, so that aligning
            would turn it the wrong way up.
    """

    box: Box
    score: float
    landmarks: np.ndarray
    image_index: int = 0
    landmarks68: np.ndarray | None = None
    wrong_way: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "box", tuple(float(v) for v in self.box))
        object.__setattr__(self, "score", float(self.score))
        object.__setattr__(self, "landmarks", _frozen(self.landmarks, (5, 2), np.float32, "landmarks"))
        if self.landmarks68 is not None:
            object.__setattr__(self, "landmarks68", _frozen(self.landmarks68, (68, 2), np.float32, "landmarks68"))

    def resized(self, factor: float) -> Face:
        """The same face in its image resized by a factor."""

        def scaled(points: np.ndarray) -> np.ndarray:
            return factor * points + (factor - 1) / 2

        x0, y0, x1, y1 = scaled(np.array(self.box)).tolist()
        return replace(
            self,
            box=(x0, y0, x1, y1),
            landmarks=scaled(self.landmarks),
            landmarks68=None if self.landmarks68 is None else scaled(self.landmarks68),
        )

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Height of the box in pixels."""
        return self.box[3] - self.box[1]

    @property
    def size(self) -> float:
        """Longer side of the box in pixels; compared with minimum face sizes."""
        return max(self.width, self.height)


@dataclass(frozen=True)
class Faces:
    """The faces of a batch of images.

    Attributes:
        faces: in the order of their images; within one image by descending score, unless selected otherwise.
        sizes: (height, width) of each image of the batch, including those without a face.
    """

    faces: tuple[Face, ...] = ()
    sizes: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", tuple(self.faces))
        object.__setattr__(self, "sizes", tuple((int(h), int(w)) for h, w in self.sizes))
        for face in self.faces:
            if not 0 <= face.image_index < len(self.sizes):
                raise ValueError(f"a face names image {face.image_index} of a batch of {len(self.sizes)}")

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def of_image(self, index: int) -> tuple[Face, ...]:
        """The faces of one image of the batch."""
        return tuple(face for face in self.faces if face.image_index == index)

    def window(self, first: int, last: int) -> Faces:
        """The faces of the images from `first` to `last` (exclusive), with indices that count from `first`."""
        return Faces(
            tuple(
                replace(face, image_index=face.image_index - first)
                for face in self.faces
                if first <= face.image_index < last
            ),
            self.sizes[first:last],
        )


@dataclass(frozen=True, eq=False)
class Alignment:
    """Alignment of one crop.

    Attributes:
        matrix: 2 x 3 float64; maps points of the image to points of the crop (`crop = matrix @ (x, y, 1)`).
        template: name of the landmark template, `gpen` or `ffhq`.
        crop_size: side of the square crop in pixels.
        image_size: (height, width) of the image.
        face: the face in the crop, in image coordinates.
        signature: what the crop looked like, 8 x 8 pixels of luma, one byte each, row by row; empty if unknown. See
            `faces.looks.find_strangers`.
    """

    matrix: np.ndarray
    template: str
    crop_size: int
    image_size: Size
    face: Face = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", _frozen(self.matrix, (2, 3), np.float64, "matrix"))

    def resized(self, factor: float) -> Alignment:
        """The alignment of the same crop in its image resized by a factor."""
        linear = self.matrix[:, :2] / factor
        shift = self.matrix[:, 2:] + linear.sum(axis=1, keepdims=True) * (1 - factor) / 2
        height, width = (round(factor * side) for side in self.image_size)
        matrix = np.concatenate([linear, shift], axis=1)
        return replace(self, matrix=matrix, image_size=(height, width), face=self.face.resized(factor))

    @property
    def image_index(self) -> int:
        """Index of the image of the batch from which the crop was cut."""
        return self.face.image_index

    @property
    def inverse(self) -> np.ndarray:
        """2 x 3 float64 matrix crop -> image."""
        return invert_matrix(self.matrix)
