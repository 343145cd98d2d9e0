"""Inpainting: a face in which strokes are painted white to the whole face (GPEN's `face_inpainting.py`).

The network is not told where the strokes are: whatever is white may be drawn anew. It was trained on strokes of the
widths below (`brush_stroke_mask` in the authors' `demo.py`), and is sensitive to them.
"""

from __future__ import annotations

from .task import Task, clamped, from_signed, to_signed

INPAINTING = Task("inpainting", to_signed, from_signed, clamped)

NARROWEST, WIDEST = 12 / 1024, 80 / 1024
"""Widths of the strokes in training, as shares of the crop's side."""
