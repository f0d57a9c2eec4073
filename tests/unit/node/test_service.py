"""The node's exit status: what an operator, or a supervisor, is told of its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from node import service
from node.config import NodeConfig
from node.core.chain import CoreFault
from node.errors import ConfigError, StoreFailed
from node.service import EXIT_CONFIG, EXIT_FAILED, EXIT_HALTED, EXIT_OK
from node.shell import NodeHalted
from node.workers.errors import MinerFailed, VerifierFailed

ENDS = [
    (None, EXIT_OK),
    (ConfigError("bad_key", "no key"), EXIT_CONFIG),
    (StoreFailed("disk_full", "no space"), EXIT_FAILED),
    (OSError("no address"), EXIT_FAILED),
    (VerifierFailed("the worker processes ended"), EXIT_FAILED),
    (MinerFailed("the mining worker keeps ending"), EXIT_FAILED),
    (NodeHalted("conflicting_certificates", "two quorums"), EXIT_HALTED),
    (CoreFault("unknown_head", "the stored head is not among the blocks"), EXIT_HALTED),
]


@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize(("error", "status"), ENDS)
def test_each_end_has_its_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception | None,
    status: int,
    is_grouped: bool,
) -> None:
    """Bare or from a task group, a fault is reported by its code and never as a traceback."""

    async def end(_: NodeConfig) -> None:
        if error is not None:
            raise ExceptionGroup("tasks", [error]) if is_grouped else error

    monkeypatch.setattr(service, "_run_until_signal", end)
    monkeypatch.setattr(service, "configure_logging", lambda *_: None)
    config = SimpleNamespace(log=SimpleNamespace(format="json", level="info"))
    assert service.run(cast(NodeConfig, config)) == status
    lines = capsys.readouterr().err.splitlines()
    if error is None:
        assert lines == []
    else:
        code = getattr(error, "code", "input_output")
        assert lines == [f"error[{code}]: {str(error).removeprefix(f'{code}: ')}"]
