"""The score of one image: its cells, how uncertain each is, and equation (8) over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rbcal.acquisition.relevance import CellScores, Score, score_cells, score_image
from rbcal.acquisition.uncertainty import box_agreement, detection_rate, mutual_information
from rbcal.class_merges import NOTHING_MERGED, Merges
from rbcal.config import ScoringConfig
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.mc_dropout import McDropout, embed
from rbcal.formats.pictures import Pixels
from rbcal.jobs.out_of_memory import predict_within_memory
from rbcal.jobs.progress import ProgressReporter
from rbcal.live_head import LastLayer
from rbcal.store.rankings import Cell
from rbcal.types import Floats, Prediction

ScoredImage = tuple[Score, list[Cell]]


class Scorer:
    """Scores one image after another with one detector; `rare` classes are those that the model knows.

    Classes that were merged, also after the model was trained, count as their targets.
    """

    def __init__(
        self, detector: Detector, config: ScoringConfig, rare: Sequence[int], merges: Merges = NOTHING_MERGED
    ) -> None:
        self._detector = detector
        self._config = config
        self._rare = rare
        self._merges = merges
        self._dropout = McDropout(detector, config)

    def embeddings(self, pixels: Pixels, progress: ProgressReporter) -> Floats:
        """Return what the cells of an image look like, (N, D)."""
        return predict_within_memory(self._detector, self._dropout.predict, pixels, progress).embeddings

    @property
    def last_layer(self) -> LastLayer | None:
        """The last layer of the second look; None without one."""
        naming = self._detector.second_look
        return None if naming is None else naming.last_layer()

    def embeddings_of(self, boxes: Floats, pixels: Pixels, progress: ProgressReporter) -> Floats:
        """Return what the second look sees of boxes (M, 4) in an image, (M, D)."""
        embed_boxes = partial(embed, self._detector, boxes=boxes)
        return predict_within_memory(self._detector, embed_boxes, pixels, progress)

    def __call__(self, pixels: Pixels, progress: ProgressReporter) -> ScoredImage:
        """Return the score of an image, and its cells."""
        prediction = self._merges.prediction(
            predict_within_memory(self._detector, self._dropout.predict, pixels, progress)
        )
        scores = score_cells(prediction.detections, prediction.passes, self._rare, self._config)
        return score_image(scores, self._config), _cells(prediction, scores)


def _cells(prediction: Prediction, scores: CellScores) -> list[Cell]:
    columns = zip(
        prediction.detections.boxes,
        scores.u_d.tolist(),
        scores.u_c.tolist(),
        scores.u_r.tolist(),
        prediction.detections.probs,
        prediction.passes.boxes.swapaxes(0, 1),
        mutual_information(prediction.passes).tolist(),
        box_agreement(prediction.passes).tolist(),
        detection_rate(prediction.passes).tolist(),
        prediction.embeddings,
        strict=True,
    )
    return [Cell(0, *column) for column in columns]
