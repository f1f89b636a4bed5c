"""Find the cells of one picture with a model that `rbcal export` wrote: use_model.py FOLDER PICTURE."""

import json
import sys
from pathlib import Path

from rbcal.detector.checkpoint import load
from rbcal.detector.mc_dropout import detect
from rbcal.formats.pictures import decode

folder, picture = map(Path, sys.argv[1:])
classes = json.loads((folder / "model.json").read_text("utf-8"))["classes"]
names = [each.get("counts_as", each["name"]) for each in classes]
cells = detect(load((folder / "model.safetensors").read_bytes()), decode(picture.read_bytes()))
for box, label, score in zip(cells.boxes, cells.labels, cells.scores, strict=True):  # doubtful ones, too
    print(f"{names[label]} {score:.3f} {' '.join(f'{side:.1f}' for side in box)}")
