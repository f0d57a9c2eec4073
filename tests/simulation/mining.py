"""A miner under virtual time: how long a search takes is drawn, the nonce it finds is real.

A search of a target t takes 2^256 / (t + 1) hashes in the mean, and the time to the first success
is exponential, whenever the search began. So a job's duration is drawn from that distribution at
the node's hash rate, and only then a nonce is searched: sixteen tries at the genesis target. All
nodes have one hash rate, chosen so that those who may seal together find a block in one target
interval at the genesis target. ASERT therefore sees what it would see of real miners.
"""

from __future__ import annotations

from random import Random

from consensus.headers import ChainRules
from consensus.target import bits_to_target, block_work
from ledger.blocks import NONCE_BYTES
from ledger.hashing import double_sha256
from node.core.effects import StartMining


class SampledMiner:
    """Searches of one node."""

    def __init__(self, rules: ChainRules, random: Random) -> None:
        genesis_work = block_work(bits_to_target(rules.parameters.genesis_bits))
        miners = rules.sealers.size - rules.diversity_gap
        self._hashes_per_ms = genesis_work / (miners * rules.parameters.target_block_ms)
        self._random = random

    def search_ms(self, job: StartMining) -> int:
        """Return how long the search takes this time, milliseconds."""
        mean_ms = block_work(job.target) / self._hashes_per_ms
        return 1 + int(self._random.expovariate(1 / mean_ms))

    def solve(self, job: StartMining) -> bytes:
        """Return a nonce that solves the job."""
        counter = self._random.getrandbits(63)
        while True:
            nonce = counter.to_bytes(NONCE_BYTES)
            if int.from_bytes(double_sha256(job.work_prefix + nonce)) <= job.target:
                return nonce
            counter += 1
