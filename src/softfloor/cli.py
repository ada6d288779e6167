"""The console script. Imports nothing beyond what softfloor itself needs, so that it can say what is missing."""

from __future__ import annotations

import io
import os
import sys

#: The modules of the extra ``tour``. scikit-learn brings scipy and threadpoolctl.
_EXTRA = ("typer", "rich", "matplotlib", "sklearn", "sympy", "mpmath", "scipy", "threadpoolctl")


def main() -> None:
    """Run the command line and exit: 0 done, 1 bad data, 2 bad usage."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal has no characters for.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from . import commands

        code = commands.run(sys.argv[1:])
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRA:
            raise
        print(
            f"softfloor: this command needs {module}; install the extra that has it: pip install 'softfloor[tour]'",
            file=sys.stderr,
        )
        code = 1
    _flush_output()
    sys.exit(code)


def _flush_output() -> None:
    """Drop what standard output does not take. The command has told of it; Python would again, with a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
