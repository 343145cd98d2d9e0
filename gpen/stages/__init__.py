"""The stages of the chain: stateless functions on tensors and records.

    find_faces -> find_landmarks68 -> prepare_images -> align_faces -> restore_crops -> keep_own_detail ->
        soften_faces -> paste_back

`restore_batch` and the nodes are compositions of them; so can a window of frames or the share of a worker be.
`align_faces` is in `faces.align`, `find_landmarks68` in `faces.landmarks`, and `restore_crops` in `restore`. The chain
calls `restore_crops` with `colour="keep"`, because `keep_own_detail` judges colour on more than the crop.
"""

from .detail import judge_faces, keep_own_detail
from .find import FoundFaces, choose_faces, find_faces
from .networks import Networks, load_networks
from .paste import PastedCrops, PastedFaces, paste_back, paste_crops
from .prepare import prepare_images
from .records import FaceRecord, Judgement, RestoredFaces
from .soften import soften_faces

__all__ = [
    "FaceRecord",
    "FoundFaces",
    "Judgement",
    "Networks",
    "PastedCrops",
    "PastedFaces",
    "RestoredFaces",
    "choose_faces",
    "find_faces",
    "judge_faces",
    "keep_own_detail",
    "load_networks",
    "paste_back",
    "paste_crops",
    "prepare_images",
    "soften_faces",
]
