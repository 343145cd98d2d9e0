"""The stages of the chain: functions on tensors and records that hold no state.

    find_faces -> prepare_images -> align_faces -> restore_crops -> keep_own_detail -> paste_back

A batch, a block, a window of frames and a worker's share are compositions of them; `align_faces` is in `faces.align`,
`restore_crops` in `restore`.
"""

from .detail import keep_own_detail
from .find import FoundFaces, find_faces
from .networks import Networks, load_networks
from .paste import PastedFaces, paste_back
from .prepare import prepare_images
from .records import FaceRecord, RestoredFaces

__all__ = [
    "FaceRecord",
    "FoundFaces",
    "Networks",
    "PastedFaces",
    "RestoredFaces",
    "find_faces",
    "keep_own_detail",
    "load_networks",
    "paste_back",
    "prepare_images",
]
