"""GPEN's other tasks on photographs: colour faces, fill in what is covered, draw a face from a map.

`colorize`, `inpaint` and `draw_face` each load what they need, and take and give what `Restorer.restore` does.
"""

from .colorizing import colorize
from .drawing import draw_face, legend, map_photograph
from .inpainting import inpaint
from .redrawn import Redrawn
from .scratches import propose_scratches

__all__ = ["Redrawn", "colorize", "draw_face", "inpaint", "legend", "map_photograph", "propose_scratches"]
