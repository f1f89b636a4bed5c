"""An arm of a simulation: one strategy chooses what is annotated in each round; a learning curve comes out.

An arm is a function of its arguments alone: no project file, so it runs in any process, on any machine. All
arms of one repeat start from the same model and train alike; those over images draw the same samples of the
pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES
from rbcal.config import CONTROL, SimulationConfig
from rbcal.detector import devices
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.simulation.arm_state import ArmState
from rbcal.simulation.cell_arm import CellArm
from rbcal.simulation.image_arm import ControlArm, ImageArm
from rbcal.simulation.seed_model import SeedModel


@dataclass(frozen=True)
class Arm:
    """One strategy in one repeat."""

    repeat: int
    strategy: str


def arms(config: SimulationConfig) -> list[Arm]:
    """Return every arm, repeat by repeat: what is done first is a whole comparison."""
    return [Arm(repeat, strategy) for repeat in range(config.repeats) for strategy in config.strategies]


@devices.one_core()
def run_arm(
    seed_model: SeedModel, strategy: str, report: Callable[[int], None] = lambda round_: None
) -> list[SimulationPoint]:
    """Return the learning curve of one strategy from the seed model on: a point for each round, and round 0.

    Parameters
    ----------
    seed_model : SeedModel
    strategy : str
        As :func:`rbcal.acquisition.cell_strategies.check_arms` takes it.
    report : callable
        Is called with each round that is done.
    """
    state = _begin(seed_model, strategy)
    points = [state.measure(0, [])]
    for round_ in range(1, seed_model.config.rounds + 1):
        query = state.annotate(round_)
        if query is None:
            break  # nothing is left to ask
        state.train(round_)
        points.append(state.measure(round_, query))
        report(round_)
    return points


def _begin(seed_model: SeedModel, strategy: str) -> ArmState:
    if strategy == CONTROL:
        return ControlArm(seed_model, strategy)
    kind = CellArm if strategy in CELL_STRATEGIES else ImageArm
    return kind(seed_model, strategy)
