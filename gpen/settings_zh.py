"""Chinese texts of the settings declared in `settings`, for ComfyUI's labels and tooltips and for the docs."""

from __future__ import annotations

GROUPS: dict[str, str] = {
    "find": "查找人脸",
    "prepare": "整图预处理",
    "restore": "修复人脸",
    "detail": "人脸细节",
    "paste": "贴回人脸",
    "finish": "收尾",
}
"""Title of each group."""

TEXTS: dict[str, tuple[str, str]] = {
    "score_threshold": ("置信度阈值", "人脸的最低置信度。0：采用检测器自身的阈值。"),
    "min_face_size": (
        "最小人脸尺寸",
        "要查找的最小人脸：人脸框较长边的像素数；越小耗时越长。0：自动（16，超过 260 万像素的图像则更大）。",
    ),
    "max_faces": ("最多人脸数", "每张图像最多处理多少张人脸，按排序取前面的。0：全部。"),
    "order": (
        "排序",
        "图像中的人脸如何编号、哪些在前。largest：最大的在前；left_to_right：从左到右；top_to_bottom：从上到下；"
        "centre：离中心最近的在前；score：置信度最高的在前。",
    ),
    "rotated": ("旋转的头部", "同时查找侧躺或倒立的头部。查找耗时为四倍。"),
    "strength": ("强度", "0 保持人脸不变，1 采用完整的修复结果，中间值为两者的混合。"),
    "keep_grayscale": ("保持黑白", "颜色为 auto 时：黑白或单色调的人脸不会出现新的颜色。"),
    "mask_mode": (
        "遮罩模式",
        "贴回遮罩的形状。landmarks：从下巴到发际线；ellipse：包括耳朵和头发的椭圆；parsing：解析网络所见的皮肤、耳朵"
        "和头发。",
    ),
    "feather": ("羽化", "遮罩柔和边缘的宽度，占裁剪图边长的比例。"),
    "color_match": (
        "颜色匹配",
        "修复后的人脸如何采用照片的颜色。low_band：照片的颜色和光线；mean_std：照片的均值和对比度；none：不匹配。",
    ),
    "match_grain": ("匹配颗粒", "给修复后的部分加上多少照片自身的颗粒。"),
    "white_balance": (
        "白平衡",
        "去除整张图像的偏色。shades_of_grey 依据光源判断，lab 依据颜色中位数判断。黑白图像保持不变。",
    ),
    "deblock": ("去块", "整张图像中 JPEG 块边缘平滑多少。"),
    "exposure": ("曝光", "逆光人脸的阴影提亮多少。"),
    "frequency_blend": ("频率融合", "1 保留照片自身的细节，只从网络取更细的部分；0 全部取自网络。"),
    "deblur": ("去模糊", "按频率融合时：把因模糊损失的对比度还给照片的细节多少。"),
    "local_enhance": ("局部增强", "把微弱但可信的细节增强多少。0 不改变，1 为强。"),
    "finish_sigma": ("收尾模糊", "最后轻微模糊的标准差（像素）。0：不模糊。"),
    "finish_mix": ("收尾混合", "混入多少模糊后的图像。"),
    "landmark_network": (
        "关键点网络",
        "为遮罩和面部部位查找 68 个关键点的网络。bundled：随附的网络；wflw：98 点网络，前提是本机有其文件。",
    ),
    "levels": ("色阶", "褪色的整张图像恢复多少对比度。"),
    "colour": (
        "颜色",
        "auto：逐张判断人脸，黑白或单色调的保持原样；keep：颜色原样保留；grey：无论判断如何都不出现新的颜色。",
    ),
    "focus": ("对焦", "远小于（不到三分之一）或远不如主要人脸清晰（模糊达两倍）的人脸保持不动。"),
    "denoise": ("降噪", "在保留照片自身细节之处去除多少噪声。0：保留全部颗粒。"),
}
"""Label and help of each setting."""
