"""Python in a process of its own: what a test needs for environment variables, forks and leaks."""

from __future__ import annotations

import os
import subprocess
import sys


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def output_of(script: str, **environment: str) -> str:
    """What a script prints; it must succeed."""
    done = run_python(script, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
