"""Live heads: what a ranking's names are fitted from again, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rbcal.acquisition.uncertainty import rare_candidate, renamed_certainty
from rbcal.config import ScoringConfig
from rbcal.json_values import from_json
from rbcal.live_head import LastLayer, LiveHead
from rbcal.store.classes import Classes, read_merges
from rbcal.store.database import Database, now
from rbcal.types import CROP_EMBEDDING_SIZE, Floats


@dataclass(frozen=True, eq=False)
class StoredHead:
    """The last layer of a ranking's model; `fitted` is None while no new answer moved it.

    `n_cells` new answers, which the model was not trained on, are in `fitted`.
    """

    own: LastLayer
    fitted: LastLayer | None
    n_cells: int


@dataclass(frozen=True, eq=False)
class EmbeddedCells:
    """What a ranking's model makes of the cells of an image that is annotated by now.

    Parameters
    ----------
    image_id : int
    review_id : int
        The review that holds by now: it has the labels.
    boxes : (N, 4) float32, pixels; None
        Of the cells; None where they are those of that review, one by one.
    embeddings : (N, D) float32
    is_new : bool
        The model was not trained on that review.
    """

    image_id: int
    review_id: int
    boxes: Floats | None
    embeddings: Floats
    is_new: bool


class LiveHeads:
    """The live heads of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, ranking_id: int, own: LastLayer) -> None:
        """Store the last layer of a ranking's model, which has a second look."""
        self._db.insert("live_head", ranking_id=ranking_id, own=_packed(own))

    def add_annotated(self, ranking_id: int, review_id: int, embeddings: Floats) -> None:
        """Store what the model makes of the cells of a review, (M, D), in their order."""
        content = embeddings.astype("<f2").tobytes()
        self._db.insert("annotated_cells", ranking_id=ranking_id, review_id=review_id, embeddings=content)

    def get(self, ranking_id: int) -> StoredHead | None:
        """Return the live head of a ranking; None where its model has no second look."""
        return read_live_head(self._db, ranking_id)

    def save(self, ranking_id: int, fitted: LastLayer | None, n_cells: int) -> None:
        """Let a fitted layer name the cells of a ranking from now on; None: the model's own does."""
        self._db.write(
            "UPDATE live_head SET fitted = ?, n_cells = ?, fitted_at = ? WHERE ranking_id = ?",
            (None if fitted is None else _packed(fitted), n_cells, now(), ranking_id),
        )

    def answered(self, ranking_id: int) -> Iterator[EmbeddedCells]:
        """Yield, for each annotated image, what a ranking has of its cells; no test image is among them."""
        trained = {
            review_id
            for (review_id,) in self._db.tuples(
                "SELECT review_id FROM training_image"
                " WHERE model_id = (SELECT model_id FROM ranking WHERE id = ?)",
                (ranking_id,),
            )
        }
        stored = self._db.tuples(
            "SELECT review.image_id, review.id, current_review.id, embeddings FROM annotated_cells"
            " JOIN review ON review.id = review_id"
            " JOIN current_review ON current_review.image_id = review.image_id"
            " WHERE annotated_cells.ranking_id = ? ORDER BY review.id",
            (ranking_id,),
        )
        for image_id, review_id, current_id, content in stored:
            boxes = None if review_id == current_id else self._boxes(review_id)
            yield EmbeddedCells(image_id, current_id, boxes, _unpacked([content]), current_id not in trained)
        done = {image_id for image_id, *_ in stored}
        since = self._db.tuples(
            "SELECT image.id, current_review.id FROM score JOIN image ON image.id = score.image_id"
            " JOIN current_review ON current_review.image_id = image.id"
            " WHERE score.ranking_id = ? AND split = 'work' ORDER BY current_review.id",
            (ranking_id,),
        )
        for image_id, review_id in since:
            if image_id in done:
                continue
            cells = self._db.tuples(
                "SELECT x1, y1, x2, y2, embedding FROM detection"
                " WHERE image_id = ? AND ranking_id = ? AND embedding IS NOT NULL ORDER BY id",
                (image_id, ranking_id),
            )
            if cells:
                *sides, contents = zip(*cells, strict=True)
                boxes = np.array(sides, np.float32).T
                yield EmbeddedCells(image_id, review_id, boxes, _unpacked(contents), review_id not in trained)

    def _boxes(self, review_id: int) -> Floats:
        rows = self._db.tuples(
            "SELECT x1, y1, x2, y2 FROM annotation WHERE review_id = ? ORDER BY id", (review_id,)
        )
        return np.array(rows, np.float32).reshape(-1, 4)


def read_live_head(database: Database, ranking_id: int) -> StoredHead | None:
    """Return the live head of a ranking; None where its model has no second look."""
    row = database.row("SELECT own, fitted, n_cells FROM live_head WHERE ranking_id = ?", (ranking_id,))
    if row is None:
        return None
    own, fitted = _layer(row["own"]), row["fitted"]
    return StoredHead(own, None if fitted is None else _layer(fitted), row["n_cells"])


def live_scores(
    database: Database, ranking_id: int, probs: Floats, embeddings: Floats, u_c: Floats
) -> tuple[Floats, Floats, Floats] | None:
    """Return class distributions (N, C + 1), U^c and U^r (N,) by a live head; None: there is none."""
    head = read_live_head(database, ranking_id)
    if head is None or head.fitted is None:
        return None
    config = from_json(
        ScoringConfig, database.value("SELECT config FROM ranking WHERE id = ?", (ranking_id,))
    )
    live = LiveHead(head.own, head.fitted).probs(probs, embeddings, read_merges(database))
    rare = [label for label in Classes(database).rare_labels() if label + 1 < live.shape[1]]
    u_r = rare_candidate(live, rare, config.rare_threshold)
    return live, renamed_certainty(u_c, probs, live), u_r


def _packed(layer: LastLayer) -> bytes:
    return np.concatenate([layer.weight, layer.bias[:, None]], axis=1).astype("<f4").tobytes()


def _layer(content: bytes) -> LastLayer:
    theta = np.frombuffer(content, "<f4").reshape(-1, CROP_EMBEDDING_SIZE + 1)
    return LastLayer(theta[:, :-1], theta[:, -1])


def _unpacked(contents: list[bytes] | tuple[bytes, ...]) -> Floats:
    return np.frombuffer(b"".join(contents), "<f2").astype(np.float32).reshape(-1, CROP_EMBEDDING_SIZE)
