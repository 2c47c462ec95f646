"""Presets of Deep Image Prior, most of them published settings from the notebooks of their authors.

Deep Image Prior: Ulyanov et al., IJCV 2020, github.com/DmitryUlyanov/deep-image-prior. Deep decoder: Heckel
and Hand, ICLR 2019, github.com/reinhardh/supplement_deep_decoder. The stopping, the averaging and the last
layer (unbounded grey levels instead of a sigmoid) are our own.
"""

from dataclasses import replace

from napari_dip.methods.dip import DIP
from napari_dip.networks.settings import Decoder, Hourglass

_CLASSIC_NETWORK = Hourglass(widths=(128,) * 5, skips=(4,) * 5, padding="reflect", joint_normalisation=True)
_CLASSIC = DIP(
    iterations=3000,
    ensemble_size=1,
    patience=500,
    initial_estimate=False,
    postfilter=False,
    sieve_width=0.0,
    learning_rate=0.01,
    beta2=0.999,
    input_noise_std=1 / 30,
    ema_decay=0.99,
    input_channels=32,
    network=_CLASSIC_NETWORK,
    precision="float32",
)


def _plain(*widths: int, **changes: object) -> Hourglass:
    """Return a published hourglass without skip connections."""
    return replace(_CLASSIC_NETWORK, widths=widths, skips=(0,) * len(widths), **changes)  # type: ignore[arg-type]


#: Settings by name. All but "tapered" and "fine" have the published networks, and Adam's usual β₂ of 0.999.
PRESETS: dict[str, DIP] = {
    "tapered": DIP(),
    # Our own: it takes three times as long, and is better where thin lines are missing
    "fine": DIP(network=Hourglass(widths=(64, 64, 128, 128, 128), skips=(16,) * 5)),
    # denoising.ipynb: noise, and compression artefacts
    "classic": _CLASSIC,
    "snail": replace(
        _CLASSIC,
        iterations=2400,
        input_channels=3,
        network=replace(_CLASSIC_NETWORK, widths=(8, 16, 32, 64, 128), skips=(0, 0, 0, 4, 4)),
    ),
    # inpainting.ipynb: vase, kate and peppers, library (its `param_noise` has no effect in the notebook)
    "hole": replace(
        _CLASSIC,
        iterations=5000,
        input_noise_std=0.03,
        input="coordinates",
        network=_plain(*(128,) * 5, upsampling="nearest"),
    ),
    "text": replace(
        _CLASSIC,
        iterations=6000,
        input_noise_std=0.03,
        network=replace(_CLASSIC_NETWORK, skips=(128,) * 5, upsampling="nearest"),
    ),
    "library": replace(
        _CLASSIC,
        input_noise_std=0.0,
        input_channels=1,
        network=_plain(16, 32, 64, 128, 128, 128, kernel_down=5, projection=False, upsampling="nearest"),
    ),
    # restoration.ipynb: barbara with half of the pixels, kate with 2 %
    "half": replace(_CLASSIC, learning_rate=0.001, iterations=11_000, patience=2000, input_noise_std=0.03),
    "sparse": replace(
        _CLASSIC,
        iterations=1000,
        input_noise_std=0.0,
        network=_plain(16, 32, 64, 128, 128, downsampling="average"),
    ),
    # super-resolution.ipynb
    "super-resolution-4": replace(_CLASSIC, iterations=2000, input_noise_std=0.03),
    "super-resolution-8": replace(_CLASSIC, iterations=4000, input_noise_std=0.05),
    # flash-no-flash.ipynb
    "flash": replace(
        _CLASSIC,
        iterations=600,
        learning_rate=0.1,
        input_noise_std=0.0,
        input="guide",
        network=replace(_CLASSIC_NETWORK, upsampling="mixed"),
    ),
    # The deep decoder's denoising.ipynb
    "decoder": replace(_CLASSIC, iterations=1900, input_noise_std=0.0, input_channels=128, network=Decoder()),
}
