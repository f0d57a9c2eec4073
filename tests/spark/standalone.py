"""A Spark standalone cluster on loopback: one master and workers, from pip's pyspark."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

WORKERS: Final = 2
START_S_MAX: Final = 240.0
"""How long a process may take to say that it is up, seconds; the test ends it after that."""
_MASTER: Final = "org.apache.spark.deploy.master.Master"
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"
_LOOPBACK: Final = "127.0.0.1"
_MEMORY: Final = "700m"
_UP: Final = {_MASTER: "I have been elected leader", _WORKER: "Successfully registered with master"}
"""What each process logs once it is up."""


def can_run() -> bool:
    """Tell whether Java and pyspark are here."""
    return shutil.which("java") is not None and importlib.util.find_spec("pyspark") is not None


@contextmanager
def running_cluster(directory: Path) -> Iterator[str]:
    """Hold a cluster; yield its master's URL. Logs and work files are in the directory."""
    port = _free_port()
    url = f"spark://{_LOOPBACK}:{port}"
    with ExitStack() as stack:
        words: tuple[str, ...] = ("--host", _LOOPBACK, "--port", str(port), "--webui-port", "0")
        stack.enter_context(_running(directory / "master", _MASTER, words))
        for number in range(WORKERS):
            at = directory / f"worker{number}"
            words = ("--host", _LOOPBACK, "--cores", "1", "--memory", _MEMORY)
            words += ("--webui-port", "0", "--work-dir", str(at / "work"), url)
            stack.enter_context(_running(at, _WORKER, words))
        yield url


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of the cluster's processes and of programs that use it."""
    spark = importlib.util.find_spec("pyspark")
    assert spark is not None
    assert spark.origin is not None
    conf = directory / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    settings = {
        "spark.driver.bindAddress": _LOOPBACK,
        "spark.driver.host": _LOOPBACK,
        "spark.executor.memory": "512m",
        "spark.sql.shuffle.partitions": "4",
    }
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    (conf / "spark-defaults.conf").write_text(text)
    return os.environ | {
        "SPARK_HOME": str(Path(spark.origin).parent),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": _LOOPBACK,
        "SPARK_LOCAL_DIRS": str(directory / "local"),
        "SPARK_DAEMON_MEMORY": "384m",
        "PYSPARK_PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


@contextmanager
def _running(directory: Path, name: str, words: tuple[str, ...]) -> Iterator[None]:
    """Hold a process of the cluster from when it says that it is up."""
    settings = environment(directory)
    spark_class = Path(settings["SPARK_HOME"]) / "bin" / "spark-class"
    process = subprocess.Popen(
        (str(spark_class), name, *words),
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log, has_told = list[str](), threading.Event()

    def follow() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            if _UP[name] in line:
                has_told.set()
        has_told.set()  # it ended

    following = threading.Thread(target=follow, name=name)
    following.start()
    try:
        assert has_told.wait(START_S_MAX), f"{name} does not come up:\n{''.join(log)}"
        assert process.poll() is None, f"{name} ended:\n{''.join(log)}"
        yield
    finally:
        process.terminate()
        process.wait()
        following.join()
        assert process.stdout is not None
        process.stdout.close()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind((_LOOPBACK, 0))
        port: int = listening.getsockname()[1]
    return port
