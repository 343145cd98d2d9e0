"""GPEN's other tasks on photographs: colour faces, fill in what is covered, draw a face from a map.

`colorize`, `inpaint` and `draw_face` each load what they need, and take and give what `Restorer.restore` does. Those
named after pixels, maps and faces take tensors and networks that are loaded already.
"""

from .colorizing import colorize, colorize_pixels
from .drawing import draw_face, draw_maps, legend, map_faces, map_photograph
from .inpainting import inpaint, inpaint_pixels, where_covered
from .redrawn import Redrawn, RedrawnPixels
from .scratches import propose_scratches, scratches_in

__all__ = [
    "Redrawn",
    "RedrawnPixels",
    "colorize",
    "colorize_pixels",
    "draw_face",
    "draw_maps",
    "inpaint",
    "inpaint_pixels",
    "legend",
    "map_faces",
    "map_photograph",
    "propose_scratches",
    "scratches_in",
    "where_covered",
]
