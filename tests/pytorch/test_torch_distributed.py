"""softfloor.torch over several processes: logits whose classes they share give what whole rows give."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor.torch as st  # noqa: E402

PROGRAM = Path(__file__).with_name("sharded_rows.py")


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="torch was built without gloo",
)
@pytest.mark.parametrize("size", (2, 3))
def test_processes_that_share_the_classes_agree_with_whole_rows(size, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "store")]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(size)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for rank in range(size)
    ]
    try:
        for process in processes:
            output, errors = process.communicate(timeout=240)
            assert output.strip().endswith("equal"), errors
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_without_a_group_the_error_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"torch.distributed is not initialised; call init_process_group first"):
        st.vocab_parallel_cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]))
