"""Torch's modules, with what they hold as a type: torch's own say of what is in a list only that it is a module, and of a
convolution that it may have no bias."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, overload

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Modules(nn.ModuleList, Generic[M]):
    """A ModuleList of modules of one type."""

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[M] = ()) -> None: ...
        def __iter__(self) -> Iterator[M]: ...
        @overload
        def __getitem__(self, idx: slice) -> "Modules[M]": ...
        @overload
        def __getitem__(self, idx: int) -> M: ...
        def __getitem__(self, idx: int | slice) -> "M | Modules[M]": ...


class Conv(nn.Conv2d):
    """A convolution with a bias."""

    bias: Tensor


class TwoConvs(nn.Sequential):
    """(B, inputs, h, w) -> (B, outputs, h, w): a 1x1 convolution, a leaky ReLU, and a convolution.

    Checkpoints have the two by their numbers in the sequence, 0 and 2.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, leak: float, kernel: int = 1):
        super().__init__(Conv(inputs, hidden, 1), nn.LeakyReLU(leak), Conv(hidden, outputs, kernel, padding=kernel // 2))

    def _conv(self, index: int) -> Conv:
        layer = self[index]
        assert isinstance(layer, Conv)
        return layer

    @property
    def first(self) -> Conv:
        return self._conv(0)

    @property
    def last(self) -> Conv:
        return self._conv(2)

    def hidden(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, hidden, h, w), what the last convolution reads."""
        return self[1](self.first(x))


def channels_last(module: M) -> M:
    """Lays the weights of the convolutions out as the pictures are, channels last. (Torch's types lack that of `to`.)"""
    for p in module.parameters():
        if p.dim() == 4:
            p.data = p.data.to(memory_format=torch.channels_last)
    return module
