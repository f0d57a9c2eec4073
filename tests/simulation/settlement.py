"""What must hold in the end, when everything is healed and quiet has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ledger.hashing import TxId
from ledger.identity import ACCOUNT_ID_BYTES
from ledger.state import BALANCE, SUPPLY, decode_record
from ledger.state_tree import StateTree
from node.core.engine import Engine
from node.core.limits import FINALITY_LAG_LIVE_MAX
from tests.simulation.invariants import InvariantBroken, Invariants
from tests.simulation.machine import Machine


def engine_of(machine: Machine) -> Engine:
    """Return the engine of a node that must be up."""
    if machine.engine is None:
        raise InvariantBroken("node_down", f"{machine.member} is down in the end")
    return machine.engine


def is_whole(machines: Sequence[Machine]) -> bool:
    """Tell whether every node has a session with every other."""
    members = {machine.member for machine in machines}
    return all(
        members <= {peer.member for peer in engine_of(m).peers.established()} | {m.member}
        for m in machines
    )


def head_height(machines: Sequence[Machine]) -> int:
    """Return the highest head."""
    return max(engine_of(machine).chain.head.height for machine in machines)


def unsettled(machines: Sequence[Machine], healed_height: int) -> str:
    """Return what is still to come, or an empty string.

    Ten blocks after the network was whole again, what was its head is final everywhere and what
    customers sent is in a block, or out of the mempool with a reason.
    """
    for machine in machines:
        engine = engine_of(machine)
        final = engine.finality.tally.final.height
        if final < healed_height:
            return f"{machine.member} has block {final} final, of {healed_height}"
        waiting = len(engine.mempool) + len(engine.mempool.displaced)
        if waiting:
            return f"{machine.member} has {waiting} transactions waiting"
        proved, head = engine.chain.head.proved.final, engine.chain.head.height
        if head - proved > 2 * FINALITY_LAG_LIVE_MAX:
            return f"{machine.member}'s chain proves block {proved} final, its head is {head}"
    return ""


def check_settlement(machines: Sequence[Machine], invariants: Invariants) -> None:
    """Check stores, states and promises.

    Raises:
        InvariantBroken: one does not hold.
    """
    for machine in machines:
        _check_state(machine)
    for txid in invariants.acknowledged:
        _check_promise(txid, machines, invariants)
    for txid, told in invariants.decided.items():
        if any(machine.store.location(txid) is not None for machine in machines):
            raise InvariantBroken("taken_back", f"{txid.hex()[:12]} is in a block; {told}")


def _check_state(machine: Machine) -> None:
    """The stored state is the head's, and holds as much money as was issued."""
    entries = list(machine.store.state_entries())
    tree = StateTree()
    header = engine_of(machine).chain.head.sealed.header
    if tree.update(entries) != header.state_root:
        raise InvariantBroken(
            "stored_state", f"{machine.member} stores another state than its head's"
        )
    held: Counter[bytes] = Counter()
    for key, data in entries:
        if key[:1] == BALANCE:
            held[key[1 + ACCOUNT_ID_BYTES :]] += decode_record(key, data)
        elif key[:1] == SUPPLY:
            held[key[1:]] -= decode_record(key, data)
    if any(held.values()):
        raise InvariantBroken(
            "conservation", f"{machine.member}: balances and supply differ: {held}"
        )


def _check_promise(txid: TxId, machines: Sequence[Machine], invariants: Invariants) -> None:
    """What a node accepted is final everywhere, or that node says why it never will be."""
    finals = 0
    for machine in machines:
        location = machine.store.location(txid)
        is_final = (
            location is not None and location[0] <= engine_of(machine).finality.tally.final.height
        )
        finals += is_final
        is_ours = machine.member == invariants.acknowledged[txid]
        if is_ours and location is None and machine.store.retirement(txid) is None:
            raise InvariantBroken(
                "lost_transaction", f"{machine.member} accepted {txid.hex()[:12]} and forgot it"
            )
    included = sum(machine.store.location(txid) is not None for machine in machines)
    if finals and included != len(machines):
        raise InvariantBroken(
            "partly_final",
            f"{txid.hex()[:12]} is final on {finals} nodes, in a block on {included}",
        )
