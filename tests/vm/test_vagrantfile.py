"""The multi-machine cluster's files, as far as they can be checked without machines."""

import os
import subprocess
from pathlib import Path

VM = Path(__file__).parents[2] / "vm"


def test_vagrant_accepts_the_file(tmp_path: Path) -> None:
    environment = {**os.environ, "VAGRANT_HOME": str(tmp_path), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        ["vagrant", "validate", "--ignore-provider"], cwd=VM, env=environment, capture_output=True, text=True
    )

    assert "validated successfully" in done.stdout, done.stdout + done.stderr


def test_the_provisioning_script_is_a_script() -> None:
    assert subprocess.run(["bash", "-n", VM / "provision.sh"], capture_output=True, text=True).stderr == ""
