from .acquisition.relevance import CellScores, relevance, score_cells
from .config import ScoringConfig
from .errors import RbcalError
from .interchange.exported_model import ExportedModel, load_model, read_image
from .store.project import Project
from .types import Annotations, Detections, Passes, Prediction

__version__: str
__all__ = [
    "Annotations",
    "CellScores",
    "Detections",
    "ExportedModel",
    "Passes",
    "Prediction",
    "Project",
    "RbcalError",
    "ScoringConfig",
    "load_model",
    "read_image",
    "relevance",
    "score_cells",
]
