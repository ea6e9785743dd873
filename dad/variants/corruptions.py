"""The published corruptions and conditions: their names, the folders of their severities, and AlexNet's errors."""

# Error of AlexNet, mean over the five severities, by which mCE divides (Hendrycks and Dietterich 2019, section 4.1).
ALEXNET_ERRORS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
# The four of extra.tar, which the 15 and mCE leave out.
EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
SEVERITIES = range(1, 6)

# Mintun et al. name the folder of a severity by the strength that they chose for it.
C_BAR_SEVERITIES = {
    "blue_noise_sample": ("0.80", "1.60", "2.40", "4.00", "5.60"),
    "brownish_noise": ("1.00", "2.00", "3.00", "4.00", "5.00"),
    "caustic_refraction": ("2.35", "3.20", "4.90", "6.60", "9.15"),
    "checkerboard_cutout": ("2.00", "3.00", "4.00", "5.00", "6.00"),
    "cocentric_sine_waves": ("3.00", "5.00", "8.00", "9.00", "10.00"),
    "inverse_sparkles": ("1.00", "2.00", "4.00", "9.00", "10.00"),
    "perlin_noise": ("4.60", "5.20", "5.80", "7.60", "8.80"),
    "plasma_noise": ("4.75", "7.00", "8.50", "9.25", "10.00"),
    "single_frequency_greyscale": ("1.00", "1.50", "2.00", "4.50", "5.00"),
    "sparkles": ("1.00", "2.00", "3.00", "5.00", "6.00"),
}
CORRUPTIONS_3D = (
    "near_focus",
    "far_focus",
    "bit_error",
    "color_quant",
    "flash",
    "fog_3d",
    "h265_abr",
    "h265_crf",
    "iso_noise",
    "low_light",
    "xy_motion_blur",
    "z_motion_blur",
)

# Li et al. 2025; as laionc/config.py and laionc/__init__.py of github.com/FanfeiLi/LAION-C read them.
LAION_C_SEVERITIES = dict.fromkeys(
    ("mosaic", "glitched", "vertical_lines", "geometric_shapes", "stickers", "luminance_checkerboard"),
    tuple(f"intensity_level_{severity}" for severity in SEVERITIES),
)


def es_settings(count: int) -> dict[str, tuple[str, ...]]:
    """Return the folders of ImageNet-ES's `count` settings of the sensor, by light (Baek et al. 2024; as
    utils/dg_param_controls/modules/datasets.py of github.com/Edw2n/ImageNet-ES reads them)."""
    return dict.fromkeys(("l1", "l5"), tuple(f"param_{number}" for number in range(1, count + 1)))


def ccc_streams(baseline: int) -> dict[str, tuple[str, ...]]:
    """Return the folders of CCC's nine streams of a baseline accuracy, the three seeds' by speed of change (Press et
    al. 2023; as eval.py of github.com/oripress/CCC names them)."""
    return {
        f"speed_{speed}": tuple(f"baseline_{baseline}_transition+speed_{speed}_seed_{seed}" for seed in (43, 44, 45))
        for speed in (1000, 2000, 5000)
    }
