"""What chains of residual blocks are made of."""

from torch import Tensor, nn


class Block(nn.Module):
    """x + s · conv2(relu(conv1(x))), without batch normalisation (Lim et al., CVPRW 2017).

    Parameters
    ----------
    features : int
        Channels.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Return features, to which the block adds with a scale s."""
        return x + scale * self.conv2(self.conv1(x).relu())
