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
        "要查找的最小人脸：人脸框较长边的像素数，越小耗时越长。0：自动（16；图像超过 260 万像素时更大）。",
    ),
    "max_faces": ("最多人脸数", "每张图像最多处理的人脸数，按排序取前几张。0：全部。"),
    "order": (
        "排序",
        "人脸的编号顺序。largest：最大的在前；left_to_right：从左到右；top_to_bottom：从上到下；"
        "centre：离中心最近的在前；score：置信度最高的在前。",
    ),
    "rotated": ("旋转的头部", "同时查找横置或倒置的头部，检测耗时为原来的四倍。"),
    "strength": ("强度", "0 保持人脸不变，1 采用完整的修复结果，中间值为两者的混合。"),
    "keep_grayscale": ("保持黑白", "颜色为 auto 时：黑白或单色调的人脸不会出现新的颜色。"),
    "mask_mode": (
        "遮罩模式",
        "贴回遮罩的形状。landmarks：从下巴到发际线；ellipse：包含耳朵和头发的椭圆；parsing：人脸解析模型识别出的"
        "皮肤、耳朵和头发，该模型不随包提供。",
    ),
    "feather": ("羽化", "遮罩柔和边缘的宽度，占裁剪图边长的比例。"),
    "color_match": (
        "颜色匹配",
        "如何让修复后的人脸匹配照片的颜色。low_band：匹配颜色和光照；mean_std：匹配均值和对比度；none：不匹配。",
    ),
    "match_grain": ("匹配颗粒", "为修复区域添加照片自身颗粒的程度。"),
    "white_balance": (
        "白平衡",
        "去除整张图像的偏色。shades_of_grey 依据光源判断，lab 依据颜色中位数判断。黑白图像保持不变。",
    ),
    "deblock": ("去块", "平滑 JPEG 块边缘的程度，作用于整张图像。"),
    "exposure": ("曝光", "提亮逆光人脸阴影的程度。"),
    "frequency_blend": ("频率融合", "1：保留照片自身的细节，只采用网络生成的更细部分；0：全部采用网络的结果。"),
    "deblur": ("去模糊", "频率融合时，恢复照片细节因模糊而损失的对比度的程度。"),
    "local_enhance": ("局部增强", "增强微弱但可信的细节的程度。0 不改变，1 为强。"),
    "finish_sigma": ("收尾模糊", "最后一步轻微模糊的标准差（像素）。0：不模糊。"),
    "finish_mix": ("收尾混合", "混入模糊图像的比例。"),
    "landmark_network": (
        "关键点网络",
        "检测 68 个关键点（用于遮罩和面部部位）的网络。bundled：内置网络；wflw：98 点网络，需本机已有其文件。",
    ),
    "levels": ("色阶", "恢复褪色图像对比度的程度，作用于整张图像。"),
    "colour": (
        "颜色",
        "auto：逐张判断，黑白或单色调的人脸保持原有色调；keep：保留网络给出的颜色；grey：始终保持原有色调。",
    ),
    "focus": ("对焦", "跳过远小于主要人脸（不到三分之一）或明显更模糊（模糊达两倍）的人脸。"),
    "denoise": ("降噪", "在保留照片细节的区域降噪的程度。0：保留全部颗粒。"),
}
"""Label and help of each setting."""
