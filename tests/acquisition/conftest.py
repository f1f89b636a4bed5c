"""Pools of a few cells, whose every number is in the test."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.context import AcquisitionContext
from rbcal.acquisition.pool import Pool
from rbcal.config import ScoringConfig
from rbcal.types import EMBEDDING_SIZE


def make_pool(image, probs, n_images=None, **columns):
    """Return a pool; what is not given is certain, and all cells look alike."""
    probs = np.array(probs, np.float32)
    n = len(image)
    same = np.zeros((n, EMBEDDING_SIZE), np.float32)
    same[:, 0] = 1
    ones, zeros = np.ones(n, np.float32), np.zeros(n, np.float32)
    certain = {"u_d": ones, "u_c": ones, "u_r": zeros, "bald": zeros, "agreement": ones, "rate": ones}
    given = {name: np.array(column, np.float32) for name, column in columns.items()}
    n_images = n_images or max(image, default=-1) + 1
    return Pool(range(n_images), np.array(image, np.int64), probs, **{**certain, "embeddings": same, **given})


def make_context(annotated=(10, 10), **others):
    return AcquisitionContext(ScoringConfig(), np.array(annotated), **others)


@pytest.fixture
def random_pool():
    """40 images of 0 to 12 cells of three classes."""
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(40), rng.integers(0, 13, 40))
    n = len(image)
    columns = {name: rng.uniform(size=n) for name in ("u_d", "u_c", "bald", "agreement", "rate")}
    embeddings = rng.normal(size=(n, EMBEDDING_SIZE))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    u_r = rng.integers(0, 2, n)
    return make_pool(image, rng.dirichlet(np.ones(4), n), 40, u_r=u_r, embeddings=embeddings, **columns)
