"""Every error that rbcal raises on purpose.

::

    RbcalError
     +-- ShapeError       an array has the wrong shape, type or values
     +-- FormatError      an annotation file cannot be read
     +-- ImageError       a picture cannot be decoded
     +-- ProjectError     a project file, or what is asked of it, is not valid
     |    +-- ExistsError     something is there already under the name that was asked for
 |    +-- ConflictError   somebody else changed the same thing first
     |    +-- DamagedError    a project file is not what was written
     |    +-- ReplacedError   where the project was opened there is another one, or none
     |    +-- SplitError      a test set cannot be drawn as it was asked for
     +-- DetectorError    a detector cannot be built or loaded
     +-- TrainingError    training cannot start or go on
     |    +-- DivergedError   the loss is no longer a number; what was learnt before is kept
     +-- ScoringError     a score is not defined for these numbers
     +-- JobError         a worker process cannot start, or died
          +-- JobCancelledError  the user asked the worker to stop

A message says what must hold, what was found, and what to do; it names things that the user can see.
Pages and the command line catch :class:`RbcalError` in one place each.
"""

RESTORE = (  # what to do where a project file is damaged
    "Nothing was written to it. Restore a backup: on the Project page, or with: rbcal restore. "
    "To see what is lost: rbcal verify."
)


class RbcalError(Exception):
    """Base of all errors whose message is meant for the user."""


class ShapeError(RbcalError):
    """An array has the wrong shape, type or values."""


class FormatError(RbcalError):
    """An annotation file cannot be read."""


class ImageError(RbcalError):
    """A picture cannot be decoded."""


class ProjectError(RbcalError):
    """A project file, or what is asked of it, is not valid."""


class ExistsError(ProjectError):
    """Something is there already under the name that was asked for; it was left as it is."""


class ConflictError(ProjectError):
    """Somebody else changed the same thing first; nothing was written."""


class DamagedError(ProjectError):
    """A project file is not what was written to it; it was left as it is."""


class ReplacedError(ProjectError):
    """Where the project was opened there is another one by now, or none; nothing was written there."""


class SplitError(ProjectError):
    """A test set cannot be drawn as it was asked for; whoever asked adds where to choose otherwise."""


class DetectorError(RbcalError):
    """A detector cannot be built or loaded."""


class TrainingError(RbcalError):
    """Training cannot start or go on."""


class DivergedError(TrainingError):
    """The loss is no longer a finite number; the weights are those before the step."""


class ScoringError(RbcalError):
    """A score is not defined for these numbers."""


class JobError(RbcalError):
    """A worker process cannot start, or died."""


class JobCancelledError(JobError):
    """The user asked the worker to stop."""
