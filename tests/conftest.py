"""Lets tests import the programs under tools/, whose error metric they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
