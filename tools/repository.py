"""Imported for its effect: the repository's top-level packages become importable by the programs of this folder."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))
