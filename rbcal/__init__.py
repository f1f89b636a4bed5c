"""rbcal: teach a detector to find and subtype red blood cells with the fewest possible clicks."""

from importlib.metadata import version

__version__ = version("rbcal")
