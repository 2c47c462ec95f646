"""The residual block of several architectures."""

from torch import Tensor, nn


class Block(nn.Module):
    """x + s · conv2(relu(conv1(x))), without batch normalisation (Lim et al., CVPRW 2017).

    Parameters
    ----------
    features : int
        Channels of the input and the output.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Return the features of the next block, where s is `scale`."""
        return x + scale * self.conv2(self.conv1(x).relu())
