"""Simulations in words: how far they are, what they did, what their figures rest on."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.config import CONTROL, SimulationConfig
from rbcal.evaluation.learning_curves import Curves, SimulationPoint
from rbcal.store.simulations import Simulation
from rbcal.wording import count, duration


def repeats_done(simulation: Simulation, points: Sequence[SimulationPoint]) -> int:
    """Return how many repeats have every strategy."""
    arms = {(point.repeat, point.strategy) for point in points}
    return sum(
        all((repeat, strategy) in arms for strategy in simulation.config.strategies)
        for repeat in {point.repeat for point in points}
    )


def state_words(simulation: Simulation, points: Sequence[SimulationPoint], *, active: bool) -> str:
    """Return in words how far a simulation is."""
    done, wanted = repeats_done(simulation, points), simulation.config.repeats
    if simulation.finished:
        return f"finished, {count(done, 'repeat')}"
    so_far = f"{done} of {count(wanted, 'repeat')} done so far"
    return f"under way, {so_far}" if active else f"stopped, {so_far}"


def settings_words(simulation: Simulation, points: Sequence[SimulationPoint]) -> str:
    """Return in words what a simulation did, so that somebody else can do it again."""
    config = simulation.config
    n_test = points[0].evaluation.n_images if points else 0
    measured = f"measured on {n_test} test images; " if n_test else ""
    unit = config.unit if config.query != 1 else config.unit[:-1]
    return (
        f"{config.seed_images} seed images, then {count(config.rounds, 'round')} of "
        f"{config.query:,} {unit}, chosen from {config.pool_sample} images drawn in each round; {measured}"
        f"{count(config.repeats, 'repeat')} of {len(config.strategies)} strategies, the "
        f"same seed model and training for all arms of a repeat ({config.seed_steps} steps on the seed "
        f"images, {config.steps} in each round, {config.backbone}, trunk {config.trunk}"
        f"{_second_look(config)}); {_of_arms(config)}random seed "
        f"{config.seed}; images and annotations {simulation.images[:12]}; rbcal {simulation.code_version}, "
        f"{simulation.created_at[:10]}."
    )


def _second_look(config: SimulationConfig) -> str:
    if not config.second_look:
        return ", no second look"
    return ", a second look that is trained on the seed images, its last layer fitted in each round"


def _of_arms(config: SimulationConfig) -> str:
    """Return what is said of cells, of the control and of an oracle that errs, if there are any."""
    words = ""
    if any(name.startswith("cells_") for name in config.strategies):
        words += (
            f"cells_...: of all images of the pool, in screens of {config.live_every}, after which names and "
            "order follow; the other cells of these images stay open; "
        )
    if CONTROL in config.strategies:
        words += f"{CONTROL}: the same training, nothing annotated, drawn where the others stand; "
    return words + (f"{config.error_rate:.0%} of the answers at random; " if config.error_rate else "")


def unequal_words(curves: Curves) -> str:
    """Return a warning in words where the strategies have different repeats, so that means mislead."""
    if len({frozenset(of_strategy) for of_strategy in curves.values.values()}) == 1:
        return ""
    counts = ", ".join(f"{name} {len(curves.values[name])}" for name in curves.strategies)
    return (
        f"The strategies have different repeats so far ({counts}): compare the differences to random, which "
        "are within a repeat, not these lines."
    )


def cost_model_words(config: SimulationConfig) -> str:
    """Return in words what the expected minutes of a simulation rest on."""
    if any(name.startswith("cells_") for name in config.strategies):
        return f"{_of_images(config)} {_of_cells(config)}"
    return _of_images(config)


def _of_cells(config: SimulationConfig) -> str:
    alone, side_by_side, change = config.cell_costs
    return (
        f"A cell that is asked for without its image is assumed to take {side_by_side:.1f} s beside others "
        f"of its class, {alone:.1f} s alone, and {change:.1f} s more for each change."
    )


def _of_images(config: SimulationConfig) -> str:
    image, cell, change = config.cost_model
    times = f"{image:.1f} s for an image, {cell:.1f} s for each of its cells, {change:.1f} s for each change"
    if config.cost_model == SimulationConfig.cost_model:
        return f"Minutes rest on assumed times: {times}. No expert was timed."
    return f"Minutes rest on times learnt from this project's own reviews when the simulation began: {times}."


def label(simulation: Simulation, points: Sequence[SimulationPoint], *, active: bool) -> str:
    """Return how a simulation is called where one is to be chosen."""
    names = ", ".join(simulation.config.strategies)
    return f"{simulation.id}: {names} ({state_words(simulation, points, active=active)})"


def computing_words(points: Sequence[SimulationPoint]) -> str:
    """Return in words how long the computing took, all processes together."""
    return duration(sum(point.seconds for point in points))
