"""The model of finality: spin searches every state of it, and finds the way in without a rule."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MODEL = Path(__file__).resolve().parents[2] / "docs" / "model" / "finality.pml"

MEMORY_MIB_MAX = 2_048
COMMAND_S_MAX = 120
"""The longest search takes five seconds of a core; a machine may be busy with other things."""

pytestmark = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None,
    reason="spin and gcc are needed to check the model (Debian: apt-get install spin gcc)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a verifier said."""

    output: str

    @property
    def errors(self) -> int:
        """How many ways to break the claim were found; the search ends with the first."""
        found = re.search(r"errors: (\d+)", self.output)
        assert found is not None, self.output
        return int(found[1])

    @property
    def is_exhaustive(self) -> bool:
        """Whether no state was left out, for depth or for memory."""
        cut_short = ("max search depth too small", "out of memory", "Search not completed")
        return not any(words in self.output for words in cut_short)


class Verifier:
    """The program that spin writes for the model under some definitions."""

    def __init__(self, directory: Path, *definitions: str) -> None:
        self._directory = directory
        self._run("spin", *(f"-D{name}" for name in definitions), "-a", str(MODEL))
        limits = ("-DSAFETY", f"-DMEMLIM={MEMORY_MIB_MAX}")
        self._run("gcc", "-O1", "-w", *limits, "-o", "pan", "pan.c")

    def search(self, claim: str) -> Search:
        """Search the model's states for one where the claim does not hold."""
        return Search(output=self._run(str(self._directory / "pan"), "-N", claim))

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self._directory,
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        return output


def test_threat_43_and_threat_44_one_faulty_sealer_never_finalizes_two_branches(
    tmp_path: Path,
) -> None:
    """In no state of four sealers, one faulty, are blocks of both branches final."""
    search = Verifier(tmp_path).search("safety")
    assert search.errors == 0, search.output
    assert search.is_exhaustive, search.output


def test_each_branch_can_become_final(tmp_path: Path) -> None:
    """The model is not idle: votes that keep the rules make blocks of either branch final."""
    verifier = Verifier(tmp_path)
    assert verifier.search("branch_a_stays_open").errors == 1
    assert verifier.search("branch_b_stays_open").errors == 1


@pytest.mark.parametrize(
    "removed", ["NO_JOURNAL", "NO_SURROUND_RULE", "SKIP_FINALIZES", "FAULTY=2"]
)
def test_threat_43_and_threat_44_each_rule_is_needed(tmp_path: Path, removed: str) -> None:
    """Without the journal, the surround rule, consecutive links or the bound, safety breaks."""
    assert Verifier(tmp_path, removed).search("one_final_chain").errors == 1
