"""``python -m rbcal`` is ``rbcal``; torchrun starts it that way."""

from rbcal.cli import app

if __name__ == "__main__":
    app(prog_name="rbcal")
