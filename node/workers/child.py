"""A worker process as the node sees it: spawn, send, receive, end.

The child reads its standard input and leaves when that ends, which is the moment its parent dies,
whatever killed the parent. It writes faults to the node's standard error.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final, Self

from node.workers.errors import WorkerExited
from node.workers.framing import LENGTH_BYTES, check_frame_size, decode_body, encode_frame

EXIT_S_MAX: Final = 2.0  # a worker leaves within milliseconds of the end of its input


class Child:
    """One running worker process and the pipes to it."""

    __slots__ = ("_process", "_stdin", "_stdout")

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a worker needs pipes on its standard input and output")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def spawn(cls, module: str, *arguments: str) -> Self:
        """Return a new process that runs the module as its main program."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=PIPE
        )
        return cls(process)

    @property
    def process_id(self) -> int:
        """The operating system's id of the process."""
        return self._process.pid

    async def send(self, message: object) -> None:
        """Write one message, waiting while the pipe is full.

        Raises:
            WorkerExited: the process no longer reads.
        """
        try:
            self._stdin.write(encode_frame(message))
            await self._stdin.drain()
        except (ConnectionError, RuntimeError) as error:  # uvloop: RuntimeError on a closed pipe
            raise WorkerExited("the worker no longer reads", pid=self.process_id) from error

    async def receive(self) -> object:
        """Return the worker's next message.

        Raises:
            WorkerExited: the process ended, or what it wrote is no message.
        """
        try:
            size = int.from_bytes(await self._stdout.readexactly(LENGTH_BYTES), "big")
            check_frame_size(size)
            return decode_body(await self._stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            raise WorkerExited("the worker ended", pid=self.process_id) from error

    async def end(self) -> None:
        """End the process by closing its input, or by a kill when it does not listen."""
        self._stdin.close()
        try:
            async with asyncio.timeout(EXIT_S_MAX):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
