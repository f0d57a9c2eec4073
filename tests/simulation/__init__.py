"""Whole networks under virtual time: the production engine, seeded faults, invariants.

    World(seed).run()

Everything that a run does follows from its seed, so a failure is replayed by naming it. What is
simulated is the shell: clock, disk, network, miner, operators and customers. What decides is the
engine of a real node, over the store of a real node with dictionaries beneath it.
"""
